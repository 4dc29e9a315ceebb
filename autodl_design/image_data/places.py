"""Paths that a user gave, and what lies in a directory beside the images.

user_path("~/shapes")          # Path("/home/me/shapes")
visible_names(user_path(...))  # ["circle", "square"], without Thumbs.db and the like
"""

import os
from pathlib import Path

from autodl_design.checked_io.messages import quoted
from autodl_design.image_data.errors import DatasetError

# What Windows, macOS and WSL put beside pictures by themselves.
SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"}
ZONE = "zone.identifier"  # in WSL, x.png:Zone.Identifier lies beside x.png


def user_path(text: str | os.PathLike) -> Path:
    """Raises DatasetError for ~/x where no folder is called ~: shells do not expand it in --flag=~/x, and
    the files would be read from or written to another place than meant."""
    path = Path(text)
    if "\0" in os.fspath(path):
        raise DatasetError("a path cannot hold the character NUL")
    home = path.parts[0] if path.parts else ""
    if home.startswith("~") and not os.path.lexists(home):
        raise DatasetError(
            f"{path}: no folder here is called {home}, and only a shell makes a home directory of it; say "
            f"{os.path.expanduser(path)}"
        )
    return path


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden or the system's, and so no part of the images."""
    name = name.lower()
    return name.startswith(".") or name in SYSTEM_FILES or name.endswith(ZONE)


def visible_names(directory: Path) -> list[str]:
    """Of all that lies in a directory, sorted, without clutter; none where it is a file. Raises
    DatasetError where there is nothing of this name, or where it cannot be read."""
    if not os.path.lexists(directory):
        raise DatasetError(f"--input_dir={directory} is not there")
    try:
        return sorted(name for name in os.listdir(directory) if not is_clutter(name))
    except NotADirectoryError:
        return []
    except FileNotFoundError as error:
        raise DatasetError(f"--input_dir={directory} is a link to something that is not there") from error
    except OSError as error:
        raise DatasetError(f"--input_dir={directory} cannot be read: {error.strerror}") from error


def shown(names: list[str], most: int = 10) -> str:
    """The first of the names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(quoted, names[:most])) + more
