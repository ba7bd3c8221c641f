"""Workers: one process a device, pictures handed over by shared memory."""
