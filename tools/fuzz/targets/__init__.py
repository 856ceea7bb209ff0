"""One module a target: `INPUTS` is what it is tried with, `hold` what must hold; the first line says it."""
