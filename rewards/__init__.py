"""From architectures to rewards."""
