"""How Paddle and PARL are imported, and how static programs are built, made faster and run."""
