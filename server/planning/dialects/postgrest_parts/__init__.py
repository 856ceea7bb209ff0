"""The parts of the dialect `postgrest`: its filters, `select`, preferences, programs and errors."""
