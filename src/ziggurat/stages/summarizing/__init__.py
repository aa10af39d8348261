"""What the `Summarize` stage is made of: reading, choosing what is read, checking what is said, the four strategies."""
