"""The child network in Paddle: its operations, its cells, and how images are fed to it."""
