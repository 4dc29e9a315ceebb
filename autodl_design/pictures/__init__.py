"""Pictures of networks and of the search space."""
