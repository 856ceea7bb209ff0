"""What OData has a language of its own for."""
