"""Shapes that cross the borders between packages; no behaviour, and nothing of ours imported."""
