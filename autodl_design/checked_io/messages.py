"""Shows a text that may hold anything (a name in a file, a path) in a message to the user."""

MAX_QUOTED = 200  # characters


def printable(text: str) -> str:
    """`text` in one line: what a terminal would obey, as a line break, is shown by its escape, as \\n."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def quoted(text: str) -> str:
    """`printable` for a text that may be of any length: at most MAX_QUOTED characters."""
    shown = printable(text[: MAX_QUOTED + 1])
    return shown if len(shown) <= MAX_QUOTED else shown[: MAX_QUOTED - 3] + "..."
