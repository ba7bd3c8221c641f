"""Clips: the video around an event, remuxed as it was received, into files.

Knows nothing of sessions or transports: whoever has the encoded frames gives them to a
`recorder.ClipRecorder`, which hands clips to a `writer.ClipWriter`.
"""
