"""Files and texts that may be anything: files opened, checked and written whole; texts in messages."""
