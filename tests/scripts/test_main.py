"""main.py as a user runs it: output, resuming, signals, mistakes."""

import functools
import json
import operator
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import helpers
import numpy as np
import psutil
import pytest
from absl import flags as absl_flags
from helpers import ROOT, TINY

import main
from autodl_design.agents.random_search import RandomAgent
from autodl_design.backend import programs
from autodl_design.record.reading import read_settings
from autodl_design.report_page.page import render
from autodl_design.report_page.searches import Search
from autodl_design.search_loop.settings import AllSettings
from autodl_design.search_space.architecture import Architecture
from autodl_design.settings import flags as settings_flags
from autodl_design.trainers.pseudo import PseudoTrainers

pytestmark = pytest.mark.xdist_group("main")  # `search` is made once


@pytest.fixture
def flag_values(monkeypatch):
    """flag_values(log_dir="log", resume=True): as if they had been given on the command line."""

    def give(**values):
        flags = absl_flags.FlagValues()
        settings_flags.define_flags(*AllSettings.classes(), into=flags)
        flags(["main.py", *(f"--{name}={settings_flags.shown(value)}" for name, value in values.items())])
        for module in (main, settings_flags):
            monkeypatch.setattr(module, "FLAGS", flags)

    return give


def run(*flags):
    return helpers.run("main.py", *flags)


@pytest.fixture(scope="module")
def search(digits_path, tmp_path_factory):
    """Two steps of two models, as a user runs them, who asks for more trainers than there are models."""
    log_dir = tmp_path_factory.mktemp("search")
    result = run(*TINY, f"--data_path={digits_path}", f"--log_dir={log_dir}", "--trainers=cpu:5")
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in (log_dir / "history.jsonl").open()]
    return result, records, log_dir


def test_prints_the_average_of_every_step(search):
    result, records, _ = search
    line = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] step = (\d+), average accuracy = (\d\.\d{3})"
    steps = re.findall(line, result.stdout)
    expected = [
        (str(step), f"{sum(r['accuracy'] for r in records if r['step'] == step) / 2:.3f}")
        for step in (0, 1)
    ]
    assert steps == expected
    assert result.stderr == ""


def test_history_has_one_record_a_model(search):
    _, records, _ = search
    assert sorted((r["mid"], r["step"]) for r in records) == [(0, 0), (1, 0), (2, 1), (3, 1)]
    for record in records:
        assert len(record["tokens"]) == 4 and len(record["adjvec"]) == 2
        assert record["status"] == "ok" and 0 <= record["accuracy"] <= 1
        assert record["seconds"] > 0 and record["num_params"] > 0


def test_one_seed_one_search(search, digits_path, tmp_path):
    def essence(records):
        return sorted((r["mid"], r["tokens"], r["adjvec"], r["accuracy"]) for r in records)

    flags = [*TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path}"]
    assert run(*flags).returncode == 0
    records = [json.loads(line) for line in (tmp_path / "history.jsonl").open()]
    assert essence(records) == essence(search[1])


def test_an_earlier_search_is_left_alone(search, digits_path):
    _, records, log_dir = search
    before = (log_dir / "history.jsonl").read_bytes()
    with pytest.raises(main.ERRORS, match="--resume"):
        main.search(AllSettings.of(data_path=str(digits_path), log_dir=str(log_dir)))
    assert (log_dir / "history.jsonl").read_bytes() == before


def test_more_trainers_than_models(search):
    lines = search[0].stdout.splitlines()
    assert lines[2] == "--trainers=cpu:5: there are never more than 2 to train at a time"
    assert lines[3] == "2 trainers on cpu"


def test_begins_with_what_there_is_to_do(search):
    lines = search[0].stdout.splitlines()
    assert lines[0] == (
        "a new search: 4 models in steps of 2, of 2 nodes a cell, 2 stages of 1 cell, width 4, 2 epochs"
    )
    images = "900 training images, 28 updates an epoch; 100 validation images; chance is 0.100"
    assert lines[1] == images


def test_num_models_is_a_count_in_whole_steps(tmp_path, capsys):
    for asked, planned in ((40, 40), (41, 50)):
        log_dir = tmp_path / str(asked)
        models = main.search(settings_of(log_dir, num_models=asked), trainers=PseudoTrainers())
        assert len(models) == planned
        said = capsys.readouterr().out.splitlines()[0]
        assert said.startswith(f"a new search: {planned} models")
        assert ("(41 in whole steps)" in said) == (asked != planned)


def test_there_is_nothing_to_resume(tmp_path):
    result = run("--resume", f"--log_dir={tmp_path / 'log'}")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"main.py: --log_dir={tmp_path}/log holds no search: to begin one leave --resume out\n"
    )
    assert not (tmp_path / "log").exists()


def main_with(trainers, monkeypatch):
    """main.main, whose search has these trainers, and which leaves this process its signals."""
    search = main.search_to_its_end
    with monkeypatch.context() as patch:
        patch.setattr(main, "search_to_its_end", lambda settings: search(settings, trainers=trainers))
        patch.setattr(main, "STOP_SIGNALS", ())
        main.main([])


def test_a_search_whose_time_is_up_says_how_to_go_on(tmp_path, flag_values, monkeypatch, capsys):
    flag_values(log_dir=str(tmp_path), num_nodes=2, num_models=10**6, max_minutes=0.02)
    main_with(PseudoTrainers(model_seconds=0.05), monkeypatch)
    *_, files, _, _, _, last = capsys.readouterr().out.splitlines()
    assert last == f"stopped after 0.02 minutes; to go on: python main.py --resume --log_dir={tmp_path}"
    done = len((tmp_path / "history.jsonl").read_text().splitlines())
    assert 0 < done < 1000
    settings = settings_of(tmp_path, num_models=10, resume=True, num_nodes=2)
    assert len(main.search(settings, trainers=PseudoTrainers())) >= max(10, done)  # nothing was lost


def test_a_limit_of_time_needs_the_main_thread(tmp_path):
    with ThreadPoolExecutor() as pool:
        search = pool.submit(main.search, settings_of(tmp_path, max_minutes=1), trainers=PseudoTrainers())
        with pytest.raises(main.ERRORS, match="main thread"):
            search.result()


def test_a_first_step_of_guesses_is_named(searched, tmp_path):
    """54 images of three classes: an update an epoch."""
    flags = [*TINY, "--num_stages=1", "--num_models=2", "--epochs=1", "--T_0=1", "--warmup=0"]
    data = f"--data_path={searched / 'my subset'}"
    result = run(*flags, data, f"--log_dir={tmp_path}")
    (line,) = [line for line in result.stdout.splitlines() if " models guess " in line]
    assert line.startswith("2 of the first 2 models guess ") and "chance, 0.333" in line
    assert line.endswith(
        "1 a model are too few updates; a search with --epochs=34 --train_batch_size=8 makes 204"
    )


def test_resume_needs_no_other_flag(search, digits_path, tmp_path):
    flags = [*TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path}"]
    assert run(*flags, "--num_models=2").returncode == 0
    ladder = "1x2 epochs=1"
    result = run("--resume", f"--log_dir={tmp_path}", "--num_models=4", f"--ladder={ladder}")
    assert result.returncode == 0 and result.stderr == ""
    records = [json.loads(line) for line in (tmp_path / "history.jsonl").open()]
    key = operator.itemgetter("mid", "tokens", "accuracy")
    assert sorted(map(key, records)) == sorted(map(key, search[1]))
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["accuracy_of"] == "the mean of 2 runs after the search at epochs=1"
    assert best["recipe"]["epochs"] == 1
    assert f"best.json is model {best['mid']} now" in result.stdout

    again = run("--resume", f"--log_dir={tmp_path}")
    assert again.returncode == 0 and "is complete" in again.stdout and "\n  model 0:" not in again.stdout
    assert f"best: model {best['mid']}: accuracy {best['accuracy']:.3f} +- " in again.stdout
    assert json.loads((tmp_path / "best.json").read_text()) == best


@pytest.mark.parametrize("flag, complaint", [
    ("--num_nodes=3", "num_nodes was 2 and is 3"),
    ("--preset=quick", "num_nodes was 2 and is 4"),
])  # fmt: skip
def test_resume_with_other_settings_is_refused_by_name(search, flag, complaint):
    result = run("--resume", f"--log_dir={search[2]}", flag)
    assert result.returncode == 1
    assert complaint in result.stderr and result.stderr.count("\n") == 1


def test_ends_with_what_was_found_and_what_to_do_next(search):
    result, records, log_dir = search
    best = max(records, key=lambda record: (record["accuracy"], -record["mid"]))
    *_, models, found, files, report, retrain, final, longer = result.stdout.splitlines()
    assert models.startswith("4 models: 4 trained, 0 with the network of an earlier one, 0 failed; ")
    assert found.startswith(f"best: model {best['mid']}: accuracy {best['accuracy']:.3f} +- ")
    assert f"{log_dir}/best.json" in files
    assert report.endswith(f"python report.py --log_dir={log_dir}")
    assert retrain.endswith(f"python retrain.py --architecture={log_dir}/best.json")
    assert final.endswith(f"python main.py --resume --log_dir={log_dir} --final_candidates=5")
    assert longer.endswith(f"python main.py --resume --log_dir={log_dir} --num_models=8")


def test_the_page_knows_the_length_of_the_search_and_its_classes(search):
    _, _, log_dir = search
    assert "<dd>4 of 4</dd>" in render(Search(log_dir), [])
    assert Search(log_dir).chance == 0.1


def test_a_search_in_which_everything_fails_stops(digits_path, tmp_path):
    result = run(*TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path}", "--lr_max=1e30")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "every model of step 0 failed" in result.stderr
    records = [json.loads(line) for line in (tmp_path / "history.jsonl").open()]
    assert [r["status"] for r in records] == ["failed", "failed"]
    assert all(r["accuracy"] is None and "finite" in r["reason"] for r in records)


def test_a_mistake_gets_one_line(tmp_path):
    result = run(*TINY, "--data_path=/nowhere", f"--log_dir={tmp_path}")
    assert result.returncode == 1
    assert result.stderr.startswith("main.py: ") and "dataset_maker.py" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


NO_GPU = pytest.mark.skipif(programs.on_gpu(), reason="there is a GPU")


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        pytest.param({"trainers": "gpu:1x3"}, "--trainers=gpu:1x3", marks=NO_GPU),
        ({"trainers": "cpu:2", "amp": True}, "--amp needs GPUs"),
        ({"trainers": "tpu"}, "--trainers"),
        ({"width": 30}, "width 30"),
        ({"train_batch_size": 901}, "train_batch_size 901 is more than the 900 training images"),
    ],
)
def test_a_mistake_is_named(digits_path, tmp_path, setting, hint):
    """By one of the ERRORS, each of which ends main.py in one line."""
    with pytest.raises(main.ERRORS, match=hint):
        main.search(AllSettings.of(data_path=str(digits_path), log_dir=str(tmp_path), **setting))
    assert not list(tmp_path.iterdir())


def start(*flags):
    """main.py in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "main.py", *flags], cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for_trainer(process):
    """Returns main.py, its trainers and helpers as soon as one trainer is there."""
    search = psutil.Process(process.pid)
    while process.poll() is None:
        children = search.children(recursive=True)
        for child in children:
            try:
                if "spawn_main" in " ".join(child.cmdline()):
                    return [search, *children]
            except psutil.Error:  # gone in the meantime
                pass
        time.sleep(0.05)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("number, at_work", [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_signal_ends_all_processes(digits_path, tmp_path, number, at_work):
    """While trainers start, and while they train."""
    process = start(
        *TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path}", "--num_models=100", "--trainers=cpu:2"
    )
    family = wait_for_trainer(process)
    while at_work and not process.stdout.readline().startswith("  model"):
        pass
    process.send_signal(number)
    output, errors = process.communicate()
    assert process.returncode == 128 + number and errors == ""
    next_command = f"python main.py --resume --log_dir={tmp_path}"
    assert output.splitlines()[-1] == f"main.py: stopped; to go on: {next_command}"
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_no_trainer_outlives_a_crash(digits_path, tmp_path):
    process = start(
        *TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path}", "--num_models=100", "--trainers=cpu:2"
    )
    family = wait_for_trainer(process)
    while not process.stdout.readline().startswith("  model"):
        pass
    process.kill()
    process.communicate()
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_a_history_without_checkpoints_is_gone_through_from_the_first_step(tmp_path):
    class CountingTrainers(PseudoTrainers):
        trained = 0

        def run(self, jobs):
            for job, outcome in super().run(jobs):
                self.trained += 1
                yield job, outcome

    def search(log_dir, num_models, trainers):
        settings = AllSettings.of(
            log_dir=str(log_dir), num_nodes=3, num_tokens=4, num_models=num_models, resume=True
        )
        return [model._replace(seconds=None) for model in main.search(settings, trainers=trainers)]

    whole = search(tmp_path / "whole", 100, PseudoTrainers())
    search(tmp_path / "log", 50, PseudoTrainers())
    for path in (tmp_path / "log").glob("checkpoint_*.npz"):
        path.unlink()
    trainers = CountingTrainers()
    assert search(tmp_path / "log", 100, trainers) == whole
    assert trainers.trained == 50 - sum(model.status == "cached" for model in whole[50:])


def settings_of(log_dir, **values):
    return AllSettings.of(**{"num_nodes": 2, "num_models": 10, "log_dir": str(log_dir), **values})


def halved(weight):
    return lambda accuracy, num_params: weight * accuracy


class Halved:
    def __call__(self, accuracy, num_params):
        return accuracy / 2


@pytest.mark.parametrize("reward_of", [halved(0.5), functools.partial(max, 0.5), Halved()])
def test_a_reward_is_known_by_a_name_that_tells_it_from_others(tmp_path, reward_of):
    with pytest.raises(main.ERRORS, match="give it a name"):
        main.search(settings_of(tmp_path), reward_of=reward_of, trainers=PseudoTrainers())
    assert not list(tmp_path.iterdir())
    reward_of.name = "half"
    main.search(settings_of(tmp_path), reward_of=reward_of, trainers=PseudoTrainers())
    other = halved(0.25)
    other.name = "quarter"
    with pytest.raises(main.ERRORS, match="reward_of was 'half' and is 'quarter'"):
        main.search(settings_of(tmp_path, resume=True), reward_of=other, trainers=PseudoTrainers())


def small(accuracy, num_params):
    return accuracy / (1 + num_params)


@pytest.mark.parametrize("own", [{"agent": RandomAgent(2, 4, 0)}, {"reward_of": small}])
def test_a_search_with_parts_of_its_own_is_not_resumed_from_the_command_line(tmp_path, flag_values, own):
    main.search(settings_of(tmp_path), trainers=PseudoTrainers(), **own)
    flag_values(log_dir=str(tmp_path), resume=True)
    with pytest.raises(main.ERRORS, match="of its own: resume it from the program that began it"):
        main.settings_from_flags()


def test_search_json_sets_only_what_it_is_meant_to(tmp_path, flag_values, monkeypatch):
    main.search(settings_of(tmp_path), trainers=PseudoTrainers())
    path = tmp_path / "search.json"
    foreign = {"cluster": "127.0.0.1:1", "log_dir": "/elsewhere", "trainers": "cpu:7", "resume": False}
    path.write_text(json.dumps({**json.loads(path.read_text()), **foreign, "seed": 5}))
    flag_values(log_dir=str(tmp_path), resume=True)
    settings = main.settings_from_flags()
    assert settings.trainers.cluster is None and settings.trainers.trainers == "auto"
    assert settings.files.log_dir == str(tmp_path) and settings.files.resume
    assert settings.run.seed == 5 and settings.run.num_models == 10


def test_settings_are_compared_before_a_cluster_is_met(digits_path, tmp_path, monkeypatch):
    main.search(settings_of(tmp_path), trainers=PseudoTrainers())
    monkeypatch.setattr(main, "find_trainers", lambda *arguments: pytest.fail("too early"))
    settings = settings_of(tmp_path, resume=True, seed=1, cluster="127.0.0.1:1", data_path=str(digits_path))
    with pytest.raises(main.ERRORS, match="seed was 0 and is 1"):
        main.search(settings)


def test_an_agent_of_other_sizes_is_one_line(tmp_path):
    for agent in (RandomAgent(3, 4, 0), RandomAgent(2, 10, 0)):
        with pytest.raises(main.ERRORS, match="the agent RandomAgent proposes tokens that do not fit"):
            main.search(settings_of(tmp_path, num_tokens=4), agent=agent, trainers=PseudoTrainers())
        shutil.rmtree(tmp_path)


def test_numpy_numbers_in_an_agents_state_are_kept(tmp_path):
    class Counting(RandomAgent):
        count = np.int64(0)

        def state(self):
            return {**super().state(), "count": self.count, "share": np.float32(0.5)}

        def load_state(self, state):
            self.count = state["count"]
            assert state["share"] == 0.5

        def learn(self, *arguments):
            self.count += 1

    main.search(settings_of(tmp_path), agent=Counting(2, 4, 0), trainers=PseudoTrainers())
    agent = Counting(2, 4, 0)
    main.search(settings_of(tmp_path, num_models=20, resume=True), agent=agent, trainers=PseudoTrainers())
    assert agent.count == 2

    class Unkept(RandomAgent):
        def state(self):
            return {**super().state(), "seen": {1, 2}}

    with pytest.raises(main.ERRORS, match="the agent's state cannot be kept: JSON holds no set"):
        main.search(settings_of(tmp_path / "b"), agent=Unkept(2, 4, 0), trainers=PseudoTrainers())


def test_a_second_signal_within_a_moment_changes_nothing():
    program = """
import os, signal
import main
for number in main.STOP_SIGNALS:
    signal.signal(number, main._stop)
try:
    signal.pthread_sigmask(signal.SIG_BLOCK, main.STOP_SIGNALS)
    for number in main.STOP_SIGNALS:
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, main.STOP_SIGNALS)  # both at once
except main.Stopped:
    os.kill(os.getpid(), signal.SIGTERM)
    print("once")
"""
    result = helpers.run("-c", program)
    assert (result.stdout, result.stderr) == ("once\n", "")


def test_what_is_said_about_a_longer_search_makes_it_longer(flag_values, monkeypatch, capsys, tmp_path):
    flag_values(log_dir=str(tmp_path), num_nodes=2, num_models=2, batch_size=4)
    main_with(PseudoTrainers(), monkeypatch)
    assert capsys.readouterr().out.splitlines()[-1].endswith("--num_models=8")  # one step more


def test_an_empty_agent_and_empty_trainers_are_used(tmp_path):
    """Of length 0, as a population is before its first model, both count as false."""

    class Empty(RandomAgent):
        def __len__(self):
            return 0

    class EmptyTrainers(PseudoTrainers):
        def __len__(self):
            return 0

    agent = Empty(num_nodes=2, num_tokens=4, seed=0)
    settings = AllSettings.of(num_nodes=2, num_models=10, log_dir=str(tmp_path))
    models = main.search(settings, agent=agent, trainers=EmptyTrainers())
    assert [model.architecture for model in models] == Architecture.of_batch(*agent.sample(0, 10))
    assert read_settings(tmp_path)["agent"] == "Empty"
