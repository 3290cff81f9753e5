"""The runtime: it keeps, orders and carries out what the handlers decide and the core rules."""
