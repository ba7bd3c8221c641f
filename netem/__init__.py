"""The laboratory: clients behind emulated links that replay traces."""
