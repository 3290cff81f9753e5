"""One conversation a file: a handler reads a turn and decides what follows from it."""
