"""The runtime: it acts on what handlers and core decide."""
