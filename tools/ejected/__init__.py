"""What an ejected application runs on, beside the store and the helpers that it has in common with the guest.

`server.eject` copies this room, and what it imports, into each project that it writes. So it imports nothing
that such a project could not have: the store, and a few modules of guest and server that need nothing else.
"""
