"""Clients of other tools and the originals themselves, from npm, against the service: `just clients`."""
