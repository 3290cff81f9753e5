"""Everything that speaks Matrix; the only place that imports vodozemac."""
