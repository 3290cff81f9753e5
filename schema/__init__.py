"""Shapes that every other package may import, and no behaviour."""
