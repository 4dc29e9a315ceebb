"""What report.py shows of a search: statistics, pictures, the text it prints, and a page for the browser.

Nothing here imports Paddle or PARL.
"""
