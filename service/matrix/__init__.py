"""Everything that touches Matrix, and the only package that imports nio or vodozemac."""
