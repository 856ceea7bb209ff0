"""The shape that every profile has, and how a document's is found."""
