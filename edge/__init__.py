"""Video understood in time: the edge server."""

__version__ = "0.1.0"
