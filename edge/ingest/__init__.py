"""Ingest processes: sessions beside the server's own process, one process a core."""
