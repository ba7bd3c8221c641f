"""Faults injected into a running server under load, and their cost."""
