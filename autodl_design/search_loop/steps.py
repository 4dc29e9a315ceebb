"""The steps of a search: from which to go on, and what is kept and shown of each."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from autodl_design.agents.agent import Agent, SearchStep
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.record.policy import Policy, write_policy
from autodl_design.record.search_record import SearchRecord
from autodl_design.record.step_log import StepLog
from autodl_design.search_loop.progress import Progress
from autodl_design.search_loop.settings import SearchSettings


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


def saver(agent: Agent, record: SearchRecord) -> Callable[[int, np.ndarray, np.ndarray], None]:
    """What keeps the architectures that the agent proposes for a step, with the agent's state before it."""
    return lambda step, tokens, adjvec: record.save_step(step, agent.state(), tokens, adjvec)


def log_steps(
    steps: Iterable[SearchStep],
    agent: Agent,
    first_step: int,
    settings: SearchSettings,
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
            numbers = step_numbers(done, [record.known[first_mid + row] for row in range(batch_size)])
            step_log.add({**numbers, "seconds": round(time.monotonic() - started, 3)})
            if probabilities := getattr(agent, "probabilities", None):  # agents without a policy have none
                write_policy(record.directory, Policy(done.step, *probabilities(done.tokens, done.adjvec)))
            started = time.monotonic()
            line = f"step = {done.step}, average accuracy = {numbers['mean_accuracy']:.3f}"
            if settings.search.params_penalty:
                line += f", average reward = {numbers['mean_reward']:.3f}"
            progress.print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {line}")


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
