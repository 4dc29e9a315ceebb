"""What goes wrong with image data."""

from autodl_design.checked_io.messages import printable


class DatasetError(Exception):
    """Data that cannot be used, or a directory that cannot be written: one line for the user."""

    def __str__(self) -> str:
        return printable(super().__str__())  # names of files and directories may hold anything


class CifarUnavailableError(DatasetError):
    """CIFAR-10 is not on disk, and it cannot be downloaded."""
