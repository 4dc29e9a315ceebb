"""Reading and writing of image data: batches in CIFAR-10's format, CIFAR-10's archive, the subset.

Nothing here has flags. Whatever is wrong with a file ends in `errors.DatasetError`, a line for the user.
"""
