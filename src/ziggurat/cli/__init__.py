"""The commands: thin readers of everything else."""
