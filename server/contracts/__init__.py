"""The API that a document describes: what it says, where its paths lead, and what is stored of it.

`document` has the values, `reading` makes them of files. `routes` finds the operation of a request, `model`
says which operations are about the same records, and how those are told apart; `modelling` makes it. `asking`
reads what a request asks of its operation's plan. Nothing here runs anything.
"""
