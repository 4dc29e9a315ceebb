"""LOG_DIR/best.json: the network that the search's records say is the best.

It follows from the history and from the runs of the final candidates. It is written anew whenever these say
another, and at each start and end of a search: a stop may have come between a record and this file.
"""

from autodl_design.record.best import best_overall
from autodl_design.record.search_record import SearchRecord
from autodl_design.search_space.architecture_file import FoundArchitecture, write_architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.image_origin import ImageOrigin


def write_best(
    record: SearchRecord, config: ChildSettings, seed: int, images: ImageOrigin | None = None
) -> None:
    """Nothing where no model was trained yet. Raises RecordError where the runs of the final candidates
    cannot be read, OSError on a full disk."""
    best = best_overall(record.directory, list(record.known.values()))
    if best is None:
        return
    found = FoundArchitecture(
        architecture=best.model.architecture,
        config=config,
        mid=best.model.mid,
        seed=seed,
        accuracy=best.accuracy,
        num_params=best.model.num_params or 0,
        accuracy_of="one run" if best.runs == 1 else f"the mean of {best.runs} runs after the search",
        images=images,
    )
    write_architecture(record.files.best, found)
