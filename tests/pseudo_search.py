"""main.py with trainers that train nothing: a model's accuracy is its share of tokens equal to 1.

    python tests/pseudo_search.py --num_models=99 --log_dir=log [--resume]

For tests of what a search does around its models.
"""

import sys
import time
from pathlib import Path

from absl import app, flags

sys.path.insert(0, str(Path(__file__).parents[1]))

import autodl
import main
from benchmarks.growth import pseudo_outcome
from record.progress import Progress
from record.search_record import RunRecord, RunRecordError

FLAGS = flags.FLAGS


class CountingTrainers:
    def run(self, jobs):
        for job in jobs:
            time.sleep(FLAGS.model_seconds)
            yield job, pseudo_outcome(job)


def run(argv):
    num_steps = FLAGS.num_models // FLAGS.batch_size + 1
    try:
        record = RunRecord(FLAGS.log_dir, {"seed": FLAGS.seed}, FLAGS.resume)
        with Progress(FLAGS.num_models, 1) as progress:
            main.run_search(CountingTrainers(), record, progress, num_steps)
    except (RunRecordError, OSError) as error:
        sys.exit(f"pseudo_search.py: {error}")


if __name__ == "__main__":
    autodl.define_agent_flags()
    autodl.define_search_flags()
    flags.DEFINE_float("model_seconds", 0, "How long a model takes.")
    app.run(run)
