"""What the README promises, run: the original's numbers, GPUs, faults, hostile inputs."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # where the commands that are checked lie
