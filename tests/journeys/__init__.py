"""Whole stories against real homeservers: one file for each promise of the charter."""
