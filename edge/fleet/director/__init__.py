"""One address for the nodes: placement of offers, and what flows through."""
