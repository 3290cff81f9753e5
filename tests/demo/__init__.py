"""One pairing, played for whoever wants to see it: `./alongside demo`."""
