"""Real homeservers, real member clients and real databases for tests and the demo."""
