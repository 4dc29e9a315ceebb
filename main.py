"""The search: an agent proposes networks, trainers train them, their accuracy is the reward.

    python dataset_maker.py
    python main.py                  # the full size
    python main.py --preset=quick   # small
    python main.py --resume         # goes on with the search in --log_dir, with its settings
    python main.py --max_minutes=60 # stops after an hour, and says how to go on
    python main.py --agent=evolution --log_dir=log-evolution    # another agent, to compare with

Prints every step's average accuracy and writes one JSON object a model to LOG_DIR/history.jsonl.
"""

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()


import dataclasses
import signal
import sys
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from absl import flags

import autodl
import dataset_maker
from autodl_design.agents.evolution import EvolutionAgent
from autodl_design.agents.predictor import PredictorAgent
from autodl_design.agents.random_search import RandomAgent
from autodl_design.record.history import ModelRecord, RecordError, read_history
from autodl_design.record.log_dir import LogDir
from autodl_design.record.reading import read_settings
from autodl_design.record.search_record import SearchRecord, compare_settings, holds_search
from autodl_design.report_page.verdict import learning_lines
from autodl_design.search_loop.best_file import write_best
from autodl_design.search_loop.final_candidates import climb, is_complete
from autodl_design.search_loop.image_facts import ImageFacts
from autodl_design.search_loop.progress import Progress
from autodl_design.search_loop.settings import PRESETS, AllSettings, SearchSettings
from autodl_design.search_loop.start_trainers import find_trainers
from autodl_design.search_loop.steps import go_on, log_steps, saver
from autodl_design.search_loop.summary import opening, resume_command, summary
from autodl_design.search_loop.training_reward import (
    DEFAULT_REWARD,
    RewardOf,
    SearchError,
    TrainingReward,
    accuracy_less_size,
    name_of,
)
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.search_space.child import ChildSettings, check_fit
from autodl_design.search_space.image_origin import find_path
from autodl_design.settings import command_line, interrupts
from autodl_design.settings.fields import SettingsError
from autodl_design.settings.flags import FLAGS, define_flags, from_flags
from autodl_design.trainers.devices import DevicesError
from autodl_design.trainers.job import Trainers
from nn_paddle import TrainJob
from reinforce_policy_gradient import LearningError

ERRORS = (
    SearchError, dataset_maker.DatasetError, RecordError, DevicesError, SettingsError, LearningError
)  # fmt: skip
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """SIGINT or SIGTERM."""

    def __init__(self, signal_number: int):
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


def main(arguments: list[str]) -> None:
    started = time.monotonic()
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        if FLAGS.resume and not holds_search(Path(FLAGS.log_dir)):
            raise RecordError(f"--log_dir={FLAGS.log_dir} holds no search: to begin one leave --resume out")
        settings = settings_from_flags()
        models = search_to_its_end(settings)
    except OSError as error:  # a disk that is full, mostly
        where = error.filename or f"--log_dir={FLAGS.log_dir}"
        sys.exit(f"main.py: {where}: {error.strerror or error}; {_how_to_go_on()}")
    except Stopped as stopped:
        _print_summary(started)
        print(f"main.py: stopped; {_how_to_go_on()}")
        sys.exit(stopped.exit_code)
    except interrupts.TimeIsUp:
        _print_summary(started)
        print(f"stopped after {settings.run.max_minutes:g} minutes; {_how_to_go_on()}")
        return
    _print_summary(started)
    more = 2 * max(settings.run.planned_models, len(models))
    print(f"to search longer:       {resume_command(FLAGS.log_dir)} --num_models={more}")


def _how_to_go_on() -> str:
    with suppress(OSError):  # of a directory that cannot be read
        if holds_search(Path(FLAGS.log_dir)):
            return f"to go on: {resume_command(FLAGS.log_dir)}"
    return "the search had not begun"


def _stop(signal_number: int, frame) -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, interrupts.do_nothing)  # once is enough, also within a moment
    raise Stopped(signal_number)


def _print_summary(started: float) -> None:
    log_dir = Path(FLAGS.log_dir)
    for line in (*learning_lines(log_dir), *summary(log_dir, time.monotonic() - started)):
        print(line)


def settings_from_flags() -> AllSettings:
    """What the command line says, else --preset, else, with --resume, what the search in --log_dir was last
    started with, else the defaults.

    Raises SettingsError where they do not fit each other, RecordError where the search's cannot be read."""
    values = PRESETS.get(FLAGS.preset, {})
    path = LogDir(FLAGS.log_dir).settings
    if FLAGS.resume and path.exists():
        saved = read_settings(path.parent)
        _check_resumable_from_here(path, saved)
        kept = AllSettings.kept_names()  # a file does not say where to connect or to write
        kept_values = {name: saved[name] for name in kept & saved.keys()}
        for name, other in (("ladder", "final_candidates"), ("final_candidates", "ladder")):
            if FLAGS[name].present:  # in the place of the other
                kept_values.pop(other, None)
        if "data_path" in kept_values:
            kept_values["data_path"] = find_path(saved, "absolute_data_path", "data_path")
        values = {**AllSettings.of_earlier_searches(), **kept_values, **values}
    for name in values:
        try:
            FLAGS.set_default(name, values[name])  # what the command line says stays
        except flags.Error as error:
            raise RecordError(f"{path}: {error}") from error
    groups: list[Any] = [from_flags(group) for group in AllSettings.classes()]
    return AllSettings(*groups)


def _check_resumable_from_here(path: Path, saved: dict[str, Any]) -> None:
    """Raises RecordError where the search has parts that no flag names."""
    agents = SearchSettings.__dataclass_fields__["agent"].metadata["choices"]
    for what, own in (
        ("an agent", isinstance(saved.get("agent"), str) and saved["agent"] not in agents),
        ("a reward", saved.get("reward_of", DEFAULT_REWARD) != DEFAULT_REWARD),
    ):
        if own:
            raise RecordError(
                f"{path}: this search has {what} of its own: resume it from the program that began it, "
                "with resume=True among its settings"
            )


def search(
    settings: AllSettings,
    agent: autodl.Agent | None = None,
    reward_of: RewardOf | None = None,
    trainers: Trainers | None = None,
) -> list[ModelRecord]:
    """Search until --num_models are done, from the last checkpoint where --resume finds one.

    agent: proposes architectures, in place of the one that the settings name.
    reward_of: what the agent is to maximise, in place of the accuracy less the penalties for size.
    trainers: train the models, in place of this machine's or a cluster's trainers.

    Returns the history, the models by their numbers; of a search that --max_minutes stopped as far as it
    came. With `resume` it begins where there is no search yet, so that a notebook's cell can be run again.
    Raises the ERRORS, whose texts are for the user.
    """
    try:
        return search_to_its_end(settings, agent, reward_of, trainers)
    except interrupts.TimeIsUp:
        history = LogDir(settings.files.log_dir).history
        return sorted(read_history(history), key=lambda model: model.mid) if history.exists() else []


def search_to_its_end(
    settings: AllSettings,
    agent: autodl.Agent | None = None,
    reward_of: RewardOf | None = None,
    trainers: Trainers | None = None,
) -> list[ModelRecord]:
    """`search`, which raises interrupts.TimeIsUp where --max_minutes stops it."""
    files, earlier = settings.files, AllSettings.of_earlier_searches()
    rungs, batch_size = settings.rungs, settings.run.batch_size
    configs = [settings.child, *(rung.config for rung in rungs)]
    facts = ImageFacts()
    if trainers is None:
        subset = dataset_maker.load_subset(files.data_path, files.chunk_size)
        for config in configs:
            check_fit(config, len(subset.train_images), subset.image_size)
        facts = ImageFacts.of(files.data_path, subset)
    decided = {**all_that_decides(settings, agent, reward_of), **facts.decided}
    remembered = {**settings.to_remember(), **facts.remembered}
    if trainers is None:
        if files.resume and LogDir(files.log_dir).settings.exists():
            compare_settings(Path(files.log_dir), decided, remembered, earlier)  # before a cluster is met
        start_trainers = find_trainers(settings.trainers, any(config.amp for config in configs))
    elif any(rung.size for rung in rungs):
        raise SettingsError("ladder: trainers of your own train at one size; leave the others out")
    if reward_of is None:
        reward_of = accuracy_less_size(settings.search.params_penalty, settings.search.macs_penalty)
    num_steps = settings.run.num_steps
    with SearchRecord(files.log_dir, decided, files.resume, remembered, earlier) as record:
        steps_done = record.checkpoint.step if record.checkpoint else 0
        if steps_done >= num_steps and is_complete(record, rungs):
            # A stop may have come just before it.
            write_best(record, settings.child, settings.run.seed, facts.origin)
            record.write_settings()
            print(f"the search in {record.directory} is complete")
            return in_order(record)
        progress = Progress(
            settings.run.planned_models,
            settings.child.epochs,
            len(record.known),
            max((model.accuracy for model in record.known.values() if model.accuracy), default=None),
            facts.chance,
        )

        def start(config: ChildSettings, most: int) -> AbstractContextManager[Trainers]:
            if trainers is not None:
                return nullcontext(trainers)
            return start_trainers(TrainJob(subset, config, settings.run.seed), most, progress.epoch_done)

        with interrupts.time_limit(settings.run.max_minutes), progress:
            if not record.known:
                for line in opening(settings, facts):
                    progress.print(line)
            reward = TrainingReward(
                record,
                progress,
                settings.child,
                settings.run.seed,
                reward_of,
                facts.chance if settings.search.failed_reward is None else settings.search.failed_reward,
                settings.search.cache,
                facts.origin,
                settings.search.stop_poor,
            )
            if steps_done < num_steps:
                with start(settings.child, batch_size) as reward.trainers:
                    progress.print(reward.trainers.description)
                    agent = make_agent(settings) if agent is None else agent
                    first_step = go_on(agent, record, progress)
                    steps = autodl.search(
                        agent, reward, batch_size, num_steps, first_step, saver(agent, record, settings)
                    )
                    log_steps(steps, agent, first_step, settings, record, progress)
            record.write_settings()  # of no further steps
            if rungs:
                climb(reward, rungs, lambda rung: start(rung.config, rung.networks * rung.runs))
        return in_order(record)


def in_order(record: SearchRecord) -> list[ModelRecord]:
    return [record.known[mid] for mid in sorted(record.known)]


def all_that_decides(
    settings: AllSettings, agent: autodl.Agent | None, reward_of: RewardOf | None
) -> dict[str, Any]:
    """What the results of a search depend on: settings, and what the code decides."""
    decided = {
        "operations": list(OPERATION_NAMES),
        "reward_of": DEFAULT_REWARD if reward_of is None else name_of(reward_of),
        **settings.of_results(),
    }
    return decided if agent is None else {**decided, "agent": type(agent).__name__}


def make_agent(settings: AllSettings) -> autodl.Agent:
    policy, evolution, seed = settings.policy, settings.evolution, settings.run.seed
    if settings.search.agent == "random":
        return RandomAgent(policy.num_nodes, policy.num_tokens, seed, policy.edge_probability)
    if settings.search.agent == "evolution":
        return EvolutionAgent(
            policy.num_nodes,
            policy.num_tokens,
            evolution.population_size,
            evolution.tournament_size,
            seed,
            policy.edge_probability,
        )
    if settings.search.agent == "predictor":
        return PredictorAgent(
            policy.num_nodes,
            policy.num_tokens,
            **dataclasses.asdict(settings.predictor),
            seed=seed,
            edge_probability=policy.edge_probability,
        )
    return autodl.AutoDLAgent.create(policy, seed)


if __name__ == "__main__":
    define_flags(*AllSettings.classes())
    command_line.start(main, AllSettings.classes(), ERRORS)
