"""The search space: cells and their operations, settings of the child network, files and pictures of both.

Nothing here imports Paddle or PARL.
"""
