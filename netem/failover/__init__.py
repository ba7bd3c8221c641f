"""A fleet in namespaces of its own, whose nodes are killed under a page."""
