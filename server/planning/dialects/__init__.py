"""How other tools spell what conventions do: a table for each tool, one module each.

`frame` has the shape of a table and what makes plans of one. Every other module here is a table: it has a
`DIALECT`, and nothing else knows its name.
"""
