"""One file a conversation; they decide, core rules, the runtime acts."""
