"""What SCIM has a language of its own for."""
