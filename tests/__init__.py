"""The proofs: they mirror the packages, and the charter journeys stand beside them."""
