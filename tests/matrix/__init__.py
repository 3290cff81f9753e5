"""The Matrix layer: our real classes over a homeserver in memory, with members who really encrypt."""
