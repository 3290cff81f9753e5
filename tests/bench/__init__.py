"""Measurements, run by hand: ratios of two things measured side by side in one run."""
