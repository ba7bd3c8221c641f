"""Many machines behind one address: nodes that beat, and directors that place sessions on them."""
