"""Whole conversations: real handlers and rules over records in memory, with a clock that the test moves."""
