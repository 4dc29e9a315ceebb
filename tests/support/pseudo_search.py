"""main.py with trainers that train nothing: a model's accuracy is its share of tokens equal to 1.

    python tests/support/pseudo_search.py --num_models=100 --log_dir=log [--resume]

For tests of what a search does around its models.
"""

import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).parents[2]))

import main
from autodl_design.search_loop.settings import AllSettings
from autodl_design.settings import command_line
from autodl_design.settings.flags import define_flags
from autodl_design.trainers.pseudo import PseudoTrainers

FLAGS = flags.FLAGS


def run(arguments):
    try:
        main.search(main.settings_from_flags(), trainers=PseudoTrainers(FLAGS.model_seconds))
    except OSError as error:
        sys.exit(f"pseudo_search.py: {error}")


if __name__ == "__main__":
    define_flags(*AllSettings.classes())
    flags.DEFINE_float("model_seconds", 0, "How long a model takes.")
    command_line.start(run, AllSettings.classes(), main.ERRORS)
