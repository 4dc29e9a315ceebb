"""What main.py starts: settings, rewards, final candidates, display and summary of a search."""
