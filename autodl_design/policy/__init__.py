"""Parts of the policy in policy_model.py that are no Paddle: the order of its decisions, one LSTM step."""
