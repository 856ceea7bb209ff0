"""A node of a cluster: which sessions are its own, and until when that may be believed."""
