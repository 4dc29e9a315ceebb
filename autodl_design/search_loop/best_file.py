"""LOG_DIR/best.json: the network that the search's records say is the best.

It follows from the history and from the runs of the final candidates. It is written anew whenever these say
another, and at each start and end of a search: a stop may have come between a record and this file.
"""

from autodl_design.checked_io.messages import quoted
from autodl_design.record.best import at_size, best_overall
from autodl_design.record.history import RecordError
from autodl_design.record.reading import count_of
from autodl_design.record.search_record import SearchRecord
from autodl_design.search_loop.ladder import changed
from autodl_design.search_space.architecture_file import FoundArchitecture, write_architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.image_origin import ImageOrigin
from autodl_design.settings.fields import SettingsError


def write_best(
    record: SearchRecord, config: ChildSettings, seed: int, images: ImageOrigin | None = None
) -> None:
    """config: of the search. Nothing where no model was trained yet. Raises RecordError where the runs of
    the final candidates cannot be read, OSError on a full disk."""
    best = best_overall(record.directory, list(record.known.values()))
    if best is None:
        return
    try:
        config = changed(config, best.size.split())
    except SettingsError as error:
        raise RecordError(f"{record.files.final_candidates}: size {quoted(best.size)}: {error}") from error
    num_images = count_of(record.settings, "validation_images")
    after = "" if best.runs == 1 and not best.size else " after the search"
    runs = "one run" if best.runs == 1 else f"the mean of {best.runs} runs"
    found = FoundArchitecture(
        architecture=best.model.architecture,
        config=config,
        mid=best.model.mid,
        seed=seed,
        accuracy=best.accuracy,
        num_params=best.num_params,
        accuracy_of=runs + after + at_size(best.size),
        accuracy_error=best.error(num_images) if num_images else None,
        images=images,
    )
    write_architecture(record.files.best, found)
