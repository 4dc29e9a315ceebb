"""What serves the scripts at the root, a room for each subject; CONTRIBUTING.md says what is in which."""
