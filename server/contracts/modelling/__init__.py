"""The model of a document: `building` makes it, by the decisions of the other modules.

`draft` is what they share. `resource_discovery`, `key_inference` and `scope_inference` say what the records
are; the modules of roles say what each operation does with them; `completion` and `parents` what follows.
"""
