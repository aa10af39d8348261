"""A chain: named stages, how they are wired, and how they run."""
