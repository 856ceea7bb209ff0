"""What JSON:API has programs of its own for."""
