"""A search that has run, or runs, for notebooks and programs:

    from autodl_design import load_search

    search = load_search("log")
    search.best.accuracy, search.models.to_frame(), search.front.to_frame()

docs/python.md has a table of what there is. Needs neither Paddle nor PARL.
"""

import dataclasses
from pathlib import Path
from typing import Any

from autodl_design.record.history import ModelRecord
from autodl_design.record.log_dir import LogDir
from autodl_design.report_page.searches import Compared, Search, grouped, side_by_side
from autodl_design.search_space.architecture_file import FoundArchitecture, read_architecture


class Models(list[ModelRecord]):
    """Models of a search, one record each."""

    def to_frame(self) -> Any:
        """A pandas.DataFrame with a row a model and the columns of history.jsonl. Raises
        ModuleNotFoundError where pandas is not installed."""
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_frame needs pandas: pip install pandas") from error
        return pandas.DataFrame([model.to_json() for model in self])


class LoadedSearch(Search):
    """As the files of LOG_DIR are when it is made; models by their numbers."""

    def __init__(self, log_dir: Path):
        """Raises RecordError where there is no history, or no model that was trained."""
        super().__init__(log_dir)
        self.models: Models = Models(self.models)

    @property
    def front(self) -> Models:
        """The networks that no other beats in both accuracy and parameters, the smallest first."""
        return Models(super().front)

    def network(self, mid: int) -> FoundArchitecture:
        """A model's architecture with its recipe and the images that it is for, as best.json has those of
        the best: `write_architecture` makes a file of it for retrain.py and export.py.

        Raises KeyError where the search has no such model, ValueError where it failed, ArchitectureError
        where best.json, which has the recipe, cannot be read.
        """
        model = {model.mid: model for model in self.models}[mid]
        if model.accuracy is None or model.num_params is None:
            raise ValueError(f"model {mid} failed: {model.reason}")
        return dataclasses.replace(
            read_architecture(LogDir(self.log_dir).best),
            architecture=model.architecture,
            mid=mid,
            accuracy=model.accuracy,
            num_params=model.num_params,
            accuracy_of="a training that was stopped, an estimate" if model.stopped else "one run",
        )

    def compare(self, *others: Search) -> list[Compared]:
        """A row for each group of searches that differ in nothing but the seed, first that of this one."""
        return side_by_side(grouped([self, *others]))
