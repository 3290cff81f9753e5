"""Tests of what speaks Matrix, on leaves that answer as a homeserver does."""
