"""The record: where sessions' data is true. A process of its own, the keeper, owns it (`process.py`).

It opens no port, runs no guest's code, and imports nothing of ours but `store`.
"""
