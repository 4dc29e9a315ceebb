"""Files and texts that may be anything: opening the ones, showing the others in messages."""
