"""Pure rules: no input or output, no clock, no randomness, and no import but the shapes."""
