"""Serving the API that a contract describes: an OpenAPI document that somebody has handed over."""
