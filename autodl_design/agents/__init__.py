"""Agents other than the REINFORCE agent of autodl.py. They need neither Paddle nor PARL."""
