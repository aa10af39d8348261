"""What local models are made of: the catalogue, and how files get here verified."""
