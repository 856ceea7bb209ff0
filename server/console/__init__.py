"""The console: what the service has learned, what it holds and what it does, in a browser.

Pages are made here, on the trusted side, and hold no script. Whatever they change goes through what operators
and clients use as well: `server.operations.api` for sessions and plans, the pipeline for records.
"""
