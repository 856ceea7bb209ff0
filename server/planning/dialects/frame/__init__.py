"""The shape of a dialect, and what is the same for all of them."""
