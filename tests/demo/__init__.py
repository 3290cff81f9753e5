"""One pairing and one check-in, played for whoever wants to see it: `./alongside demo`."""
