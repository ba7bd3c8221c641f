"""Faults put into a running server under load: what each costs, and whom."""
