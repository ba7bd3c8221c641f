"""Sinks of kind `mqtt`: a message for each event, and sensors for Home Assistant."""
