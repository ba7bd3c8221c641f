"""Sinks of kind `webhook`: signed batches by HTTP."""
