"""Tests: they mirror the packages; whole stories, real homeservers, crashes and measurements beside."""
