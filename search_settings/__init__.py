"""All settings of a search, in groups, and the tables that show them in the README."""
