"""Attacks on a running server, over real connections, and fuzzing for exceptions and time."""
