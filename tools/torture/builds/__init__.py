"""Builds with a piece taken out, for what is to find that out; each is run in the place of the real one."""
