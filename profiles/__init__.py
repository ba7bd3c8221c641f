"""Measures what the scheduler reckons with: latency on a device, accuracy of what arrives."""
