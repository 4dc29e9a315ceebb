"""A trained network as files, which retrain.py writes and predict.py reads."""
