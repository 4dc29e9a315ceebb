"""How much signal the training recipe gives: accuracy of random architectures, and its two spreads.

    python dataset_maker.py --validation_per_class=100 --output_dir=cifar/held-out-1000
    python -m benchmarks.recipe --data_path=cifar/held-out-1000 --architectures=10 --runs=3 \
        --width=16 --num_cells=1

Trains random architectures (tokens uniform, edges with probability 1/2, as the untrained policy draws
them) with all flags of main.py, each `runs` times from other seeds, and prints each one's accuracies on
the validation images. Two spreads follow: the standard deviation between architectures, which is what an
agent can learn from, and the one between runs of one architecture, which is noise to it. The first is
the variance of the architectures' means less the share that the noise has in it.
"""

import numpy as np
from absl import app, flags

import autodl
from dataset_maker import load_subset
from search_settings.groups import SearchSettings
from search_space.child import ChildConfig
from settings.flags import define_flags, from_flags
from trainers.devices import find_devices
from trainers.job import Job
from trainers.pool import TrainerPool

FLAGS = flags.FLAGS


def random_architecture(
    index: int, seed: int, num_nodes: int = 10, num_tokens: int = 10
) -> tuple[list[int], list[int]]:
    tokens, adjvec = autodl.RandomAgent(num_nodes, num_tokens, seed).sample(index, 1)
    return tokens[0].tolist(), adjvec[0].tolist()


def main(argv: list[str]) -> None:
    config = from_flags(ChildConfig)
    subset = load_subset(FLAGS.data_path, FLAGS.chunk_size)
    shape = (FLAGS.architectures, FLAGS.runs)
    # One mid, and with it one seed, for every run of every architecture.
    sizes = FLAGS.num_nodes, FLAGS.num_tokens
    jobs = [
        Job(mid, *random_architecture(mid // FLAGS.runs, FLAGS.seed, *sizes))
        for mid in range(np.prod(shape))
    ]
    accuracies = np.full(shape, np.nan)
    with TrainerPool(find_devices(FLAGS.trainers), subset, config, FLAGS.seed) as pool:
        for job, outcome in pool.run(jobs):
            row, run = divmod(job.mid, FLAGS.runs)
            if outcome.result:
                accuracies[row, run] = outcome.result.accuracy
                shown = f"{outcome.result.accuracy:.3f}, {outcome.result.seconds:.0f} s"
            else:
                shown = f"failed: {outcome.error}"
            edges = sum(job.adjvec)
            print(f"architecture {row} ({edges} edges), run {run}: {shown}", flush=True)

    print(f"{config}\n{len(subset.validation_images)} validation images")
    low, mean, high = accuracies.min(), accuracies.mean(), accuracies.max()
    print(f"mean accuracy {mean:.3f}, lowest {low:.3f}, highest {high:.3f}")
    means = accuracies.mean(axis=1)
    print("architectures' means " + " ".join(f"{mean:.3f}" for mean in means))
    if FLAGS.runs > 1 and FLAGS.architectures > 1:
        noise = accuracies.var(axis=1, ddof=1).mean()
        between = max(means.var(ddof=1) - noise / FLAGS.runs, 0)
        print(f"standard deviation between architectures {between**0.5:.4f}, between runs {noise**0.5:.4f}")


if __name__ == "__main__":
    define_flags(*SearchSettings.classes())
    flags.DEFINE_integer("architectures", 5, "Random architectures.", lower_bound=1)
    flags.DEFINE_integer("runs", 1, "Trainings of each.", lower_bound=1)
    app.run(main)
