"""Reading of data sets in all their forms (readers.py lists them), and the subset that is made of one.

Nothing here has flags. Whatever is wrong with a file ends in `errors.DatasetError`, a line for the user.
"""
