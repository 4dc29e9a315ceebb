"""The rooms behind the scripts; CONTRIBUTING.md says what is where.

from autodl_design import load_search    # a search that has run, for notebooks and programs
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autodl_design.loading import LoadedSearch


def load_search(log_dir: str | os.PathLike) -> "LoadedSearch":
    """What the files of a search say: see autodl_design/loading.py. Raises RecordError where no model was
    trained yet, or the history cannot be read."""
    from autodl_design.loading import LoadedSearch  # not each time that a room is imported

    return LoadedSearch(Path(log_dir))
