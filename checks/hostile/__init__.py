"""Hostile inputs of every kind, for checks.hostile and for tests."""
