"""Eject: a session's API as an ordinary project, that runs without the service, a model or WebAssembly.

api          what is ejected: the session's routes, learned and of conventions
handlers     a plan's code as the body of a function
modules      one module for each resource
sources      what the project has in common with the service, copied with its imports turned
exchanges    example requests, and what the service answers to them: the project's tests
describing   its OpenAPI document
project      all files together, and an archive of them
"""
