"""The search space: cells and their operations, settings of the child network, files of both.

Nothing here imports Paddle or PARL.
"""
