"""Video understood in time: the edge server."""

__version__ = "0.2.0"
