"""Fuzzing: what each part promises of any input, and machines that look for an input that breaks it."""
