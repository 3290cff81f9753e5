"""Crashes and outages at every place where they can hurt."""
