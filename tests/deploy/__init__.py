"""Tests of what an instance is deployed with."""
