"""What a request asks of its operation's plan, in values that the program reads as ``ctx["asked"]``.

`operations` says which values each role has; the other modules read them. Reading is linear in the request's
length. Values of slots are texts; a client's names for properties become the record's, a form's texts the
types of the schema.
"""
