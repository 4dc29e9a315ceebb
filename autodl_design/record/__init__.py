"""What a search leaves behind: history, checkpoints, a row a step, the best model."""
