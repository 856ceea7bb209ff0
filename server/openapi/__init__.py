"""A session's API as an OpenAPI 3.1 document: what is in force now, and no more than is enforced.

1. Routes: those that the session has learned and, where conventions answer the rest, theirs for every
   collection that there is.
2. What is not enforced is not claimed. Learned fields are named, with the types seen so far in words; they
   are types of JSON Schema only where `schema.enforce` makes them so.
3. Examples show shapes. No stored value is in a document.
"""
