"""What a stage can do: one file a stage, each also usable alone as a Runnable."""
