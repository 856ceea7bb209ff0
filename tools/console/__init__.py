"""What the console costs: its pages over much data, and the requests of clients while nobody looks at it."""
