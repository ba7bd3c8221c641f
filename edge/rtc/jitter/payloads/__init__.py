"""Payload formats with layers: their packets' parts of frames, and what frames refer to."""
