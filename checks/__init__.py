"""What the README promises, run: the original's numbers, GPUs, faults, hostile inputs."""
