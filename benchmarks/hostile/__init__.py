"""Hostile inputs of every kind, for benchmarks.hostile_inputs and for tests."""
