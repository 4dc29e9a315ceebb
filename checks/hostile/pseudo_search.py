"""main.py with trainers that train nothing; on request it stops at one of the calls that change its files:

    python -m checks.hostile.pseudo_search --log_dir=log [--stop_at=7 --stop_by=kill_before]

A model's accuracy is its share of tokens equal to 1, so that a search takes a fraction of a second.
"""

import sys
from pathlib import Path

from absl import flags

import main
from autodl_design.search_loop.settings import AllSettings
from autodl_design.settings import command_line
from autodl_design.settings.flags import define_flags
from autodl_design.trainers.pseudo import PseudoTrainers
from checks.hostile import changes

FLAGS = flags.FLAGS


def run(arguments: list[str]) -> None:
    if FLAGS.stop_by or FLAGS.calls:
        changes.watch(FLAGS.stop_at, FLAGS.stop_by)
    try:
        main.search(main.settings_from_flags(), trainers=PseudoTrainers(FLAGS.model_seconds))
    except OSError as error:
        sys.exit(f"pseudo_search.py: {error}")
    if FLAGS.calls:
        Path(FLAGS.calls).write_text("".join(f"{name}\n" for name in changes.calls))


if __name__ == "__main__":
    define_flags(*AllSettings.classes())
    flags.DEFINE_float("model_seconds", 0, "How long a model takes.")
    flags.DEFINE_integer("stop_at", -1, "Number of the call, from 0 on, at which it stops.")
    flags.DEFINE_enum("stop_by", None, changes.WAYS, "How it stops.")
    flags.DEFINE_string("calls", None, "Where the names of all such calls are written at the end.")
    command_line.start(run, AllSettings.classes(), main.ERRORS)
