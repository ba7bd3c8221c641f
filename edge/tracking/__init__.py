"""Tracks of what is seen by one camera, and what they do: zones, lines and rules.

Pure: boxes and a time go in, decisions come out. Knows nothing of sessions.
"""
