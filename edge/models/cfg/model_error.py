"""The error of a model that can't be served."""


class ModelError(Exception):
    """A model's file that can't be used; the message names the file, the place and the rule."""
