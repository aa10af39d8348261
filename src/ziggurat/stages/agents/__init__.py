"""What the `Agent` stage is made of: its answer, its bounds, its protocols, and how it runs."""
