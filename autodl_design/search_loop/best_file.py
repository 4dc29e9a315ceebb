"""LOG_DIR/best.json: the network that the search's records say is the best.

It follows from the history and from the runs of the final candidates. It is written anew whenever these say
another, and at each start and end of a search: a stop may have come between a record and this file.
"""

from autodl_design.record.best import the_best
from autodl_design.record.search_record import SearchRecord
from autodl_design.search_space import architecture_file
from autodl_design.search_space.child import ChildConfig


def write_best(record: SearchRecord, config: ChildConfig, seed: int) -> None:
    """Nothing where no model was trained yet. Raises RecordError where the runs of the final candidates
    cannot be read, OSError on a full disk."""
    best = the_best(record.directory, list(record.known.values()))
    if best is None:
        return
    model = best.model
    found = architecture_file.Architecture(
        *map(list, model.architecture), model.mid, seed, best.accuracy, config
    )
    accuracy_of = "one run" if best.runs == 1 else f"the mean of {best.runs} runs after the search"
    architecture_file.write_architecture(record.files.best, found, model.num_params, accuracy_of)
