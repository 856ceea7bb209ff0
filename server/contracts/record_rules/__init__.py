"""What no schema can say of a resource's records: first values, what no two share, what follows from others.

1. A model is asked once about each resource schema, shown the schema and no value (`question`).
2. Its answer is small strict data and no code. What of it the document contradicts is dropped (`answer`).
3. What the document says comes first, then what a person says in `contract.toml`, then the answer, then what
   rules guess.
4. The programs of plans run by rule with it (`programs`).
"""
