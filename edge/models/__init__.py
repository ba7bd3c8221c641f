"""YOLOv4 and YOLOv4-tiny: the networks, their weights, and a detector for a device."""
