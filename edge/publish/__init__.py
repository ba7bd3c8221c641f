"""`edge publish`: cameras, files and streams in, by PyAV; detections out."""
