"""Opening of files that a user names and that may be anything."""
