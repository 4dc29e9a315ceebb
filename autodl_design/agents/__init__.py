"""What an agent is (agent.py), and agents without Paddle and PARL; REINFORCE is in autodl.py."""
