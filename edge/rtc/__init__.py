"""Receiving video for deadlines: what a WebRTC stack's receive side lacks."""
