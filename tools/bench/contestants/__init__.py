"""The rivals for a whole service: one API for members, written by hand, twice."""
