"""What goes wrong with image data, and how a text from a file gets into a message."""

MAX_QUOTED = 200  # characters of a text that somebody else chose


class DatasetError(Exception):
    """Data that cannot be used, or a directory that cannot be written: one line for the user."""

    def __str__(self) -> str:
        return printable(super().__str__())  # names of files and directories may hold anything


class CifarUnavailableError(DatasetError):
    """CIFAR-10 is neither on disk nor to be had from the network."""


def printable(text: str) -> str:
    """`text` in one line: what would move a terminal's cursor or colours is shown as an escape (\\x1b)."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def quoted(text: str) -> str:
    """`printable` for a text from a file, which may be of any length: at most MAX_QUOTED characters."""
    shown = printable(text[: MAX_QUOTED + 1])
    return shown if len(shown) <= MAX_QUOTED else shown[: MAX_QUOTED - 3] + "..."
