"""A discrete-event simulator that drives the server's own batcher, scheduler and hints."""
