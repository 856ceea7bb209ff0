"""Styles that many APIs share: a module each, all of the shape in `frame/table.py`.

A profile says what a document in its style leaves out: how filters and patches are written, what errors say,
which members a new record has. It never contradicts the document.
"""
