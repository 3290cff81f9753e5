"""The conversation against a small reference of the charter, in whatever order things happen."""
