"""The steps of a search: from which to go on, and what is kept and shown of each."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from autodl_design.agents.agent import Agent, SearchStep
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.record.policy import Policy, write_policy
from autodl_design.record.reading import read_settings
from autodl_design.record.search_record import SearchRecord
from autodl_design.record.step_log import StepLog
from autodl_design.search_loop.guessing import guessing_line
from autodl_design.search_loop.progress import Progress
from autodl_design.search_loop.settings import AllSettings


def go_on(agent: Agent, record: SearchRecord, progress: Progress) -> int:
    """Bring the agent to the record's checkpoint, if it has one. Returns the step to begin with; raises
    RecordError where the checkpoint is not one of such an agent."""
    if record.checkpoint is None:
        return 0
    first_step = record.checkpoint.step
    try:
        agent.load_state(record.checkpoint.state)
    except ValueError as error:
        raise RecordError(
            f"{record.directory}/checkpoint_{first_step}.npz: {error}; remove it to go on from the one "
            "before"
        ) from error
    progress.print(f"going on with step {first_step}; {len(record.known)} models are done")
    return first_step


def saver(
    agent: Agent, record: SearchRecord, settings: AllSettings
) -> Callable[[int, np.ndarray, np.ndarray], None]:
    """What keeps the architectures that the agent proposes for a step, with the agent's state before it.
    It raises RecordError where they are not of the sizes that the settings have."""
    B, N, K = settings.run.batch_size, settings.policy.num_nodes, settings.policy.num_tokens

    def save(step: int, tokens: np.ndarray, adjvec: np.ndarray) -> None:
        for name, array, columns, below in (
            ("tokens", tokens, 2 * N, K),
            ("adjvec", adjvec, N * (N - 1), 2),
        ):
            kind, shape = getattr(array, "dtype", np.dtype(object)).kind, np.shape(array)
            if kind != "i" or shape != (B, columns) or np.any((array < 0) | (array >= below)):
                raise RecordError(
                    f"the agent {type(agent).__name__} proposes {name} that do not fit: batch_size {B}, "
                    f"num_nodes {N} and num_tokens {K} need whole numbers from 0 to {below - 1} of shape "
                    f"[{B}, {columns}]; it has shape {list(shape)}"
                )
        record.save_step(step, agent.state(), tokens, adjvec)

    return save


def log_steps(
    steps: Iterable[SearchStep],
    agent: Agent,
    first_step: int,
    settings: AllSettings,
    record: SearchRecord,
    progress: Progress,
) -> None:
    """Run the agent's steps, and put a row of each into the record's log of steps, the policy's new
    probabilities beside it, and a line on the screen."""
    batch_size = settings.run.batch_size
    with StepLog(record.directory, first_step) as step_log:
        started = time.monotonic()
        for done in steps:
            first_mid = done.step * batch_size
            models = [record.known[first_mid + row] for row in range(batch_size)]
            numbers = step_numbers(done, models)
            step_log.add({**numbers, "seconds": round(time.monotonic() - started, 3)})
            if probabilities := getattr(agent, "probabilities", None):  # agents without a policy have none
                write_policy(record.directory, Policy(done.step, *probabilities(done.tokens, done.adjvec)))
            started = time.monotonic()
            line = f"step = {done.step}, average accuracy = {numbers['mean_accuracy']:.3f}"
            if any(model.reward != model.accuracy for model in models if not model.failed):
                line += f", average reward = {numbers['mean_reward']:.3f}"
            progress.print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {line}")
            if done.step == 0:
                which = f"the first {sum(model.trained for model in models)}"
                if guessing := guessing_line(which, models, read_settings(record.directory)):
                    progress.print(guessing)


def step_numbers(done: SearchStep, models: Sequence[ModelRecord]) -> dict[str, float]:
    """What the log of steps says of a step and its models, except for the time it took."""
    accuracies = [model.accuracy for model in models if model.accuracy is not None]
    status = Counter(model.status for model in models)
    return {
        "step": done.step,
        "mean_accuracy": float(np.mean(accuracies)),
        "best_accuracy": max(accuracies),
        "accuracy_spread": float(np.std(accuracies)),
        "mean_reward": done.rewards.mean(),
        **(done.learned._asdict() if done.learned else {}),
        "cached": status["cached"],
        "failed": status["failed"],
    }
