"""Scripts of clients, each run alone, in an environment that has its packages."""
