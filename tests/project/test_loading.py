"""load_search: what notebooks and programs see of a search."""

import builtins
import json

import numpy as np
import pytest
from model_records import FAILED, model

from autodl_design import load_search
from autodl_design.record.history import RecordError
from autodl_design.search_space.architecture_file import (
    ArchitectureError,
    FoundArchitecture,
    read_architecture,
    write_architecture,
)
from autodl_design.search_space.child import ChildSettings

MODELS = [
    model(1, 0.5, [1, 1, 1, 1], num_params=200),
    model(0, 0.25, num_params=100),
    model(2, 0.4, num_params=300),
    model(3, **FAILED),
]


@pytest.fixture
def log_dir(tmp_path):
    write(tmp_path, MODELS)
    config = ChildSettings(width=8, epochs=3)
    found = FoundArchitecture(MODELS[0].architecture, config, 1, 0, accuracy=0.5, num_params=200)
    write_architecture(tmp_path / "best.json", found)
    return tmp_path


def write(directory, models, **settings):
    directory.mkdir(exist_ok=True)
    lines = "".join(json.dumps(one.to_json()) + "\n" for one in models)
    (directory / "history.jsonl").write_text(lines)
    (directory / "search.json").write_text(json.dumps({"num_classes": 10, **settings}))


def test_what_a_search_holds(log_dir):
    search = load_search(str(log_dir))
    assert [one.mid for one in search.models] == [0, 1, 2, 3]
    assert [one.mid for one in search.front] == [0, 1]
    assert (search.best.model.mid, search.best.accuracy, search.best.runs) == (1, 0.5, 1)
    assert search.chance == 0.1 and search.settings["num_classes"] == 10 and search.steps == []
    with pytest.raises(RecordError, match="nowhere"):
        load_search(log_dir / "nowhere")


def test_models_as_a_table(log_dir, monkeypatch):
    search = load_search(log_dir)

    def no_pandas(name, *arguments):
        if name == "pandas":
            raise ModuleNotFoundError(name)
        return importing(name, *arguments)

    importing = builtins.__import__
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", no_pandas)
        with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
            search.models.to_frame()
    pytest.importorskip("pandas")
    frame = search.models.to_frame()
    assert frame["mid"].tolist() == [0, 1, 2, 3] and frame["tokens"][1] == [1, 1, 1, 1]
    assert search.front.to_frame()["accuracy"].tolist() == [0.25, 0.5]


def test_any_model_as_a_file_to_train(log_dir, tmp_path):
    search = load_search(log_dir)
    network = search.network(0)
    assert network.architecture == MODELS[1].architecture and network.config.epochs == 3
    assert (network.mid, network.accuracy, network.num_params) == (0, 0.25, 100)
    write_architecture(tmp_path / "0.json", network)
    assert read_architecture(tmp_path / "0.json") == network
    for mid, error in ((3, ValueError), (4, KeyError)):
        with pytest.raises(error):
            search.network(mid)
    (log_dir / "best.json").unlink()
    with pytest.raises(ArchitectureError, match="best.json"):
        search.network(0)


def test_the_accuracy_of_a_stopped_model_is_said_to_be_an_estimate(log_dir):
    write(log_dir, [*MODELS, model(4, 0.3, status="stopped", reason="after epoch 5")])
    search = load_search(log_dir)
    assert "estimate" in search.network(4).accuracy_of and search.network(0).accuracy_of == "one run"


def test_searches_side_by_side(tmp_path):
    def searched(name, mean, **settings):
        rng = np.random.default_rng(len(name))
        accuracies = mean + 0.01 * rng.standard_normal(40)
        models = [model(mid, float(accuracies[mid]), network=str(mid)) for mid in range(40)]
        write(tmp_path / name, models, **settings)
        return load_search(tmp_path / name)

    search = searched("a", 0.5, agent="reinforce", seed=0)
    others = [
        searched("bb", 0.5, agent="reinforce", seed=1),
        searched("ccc", 0.3, agent="random", seed=0),
        searched("dddd", 0.3, agent="reinforce", seed=0, images="x" * 64, width=8),
    ]
    own, random, wide = search.compare(*others)
    assert (own.searches, random.searches) == (2, 1) and own.difference is None
    assert "agent random" in random.name and random.of == "all models"
    assert abs(random.difference.mean - 0.2) < 0.02 and 0 < random.difference.error < 0.01
    assert random.best == max(one.accuracy for one in others[1].models)
    assert "width 8" in wide.name
