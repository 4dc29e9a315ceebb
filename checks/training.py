"""Does training compute what it should, update after update? Ours beside Paddle's own and PyTorch's.

    pip install -r requirements/bench.txt      # PyTorch
    python -m checks.training              # a sample: minutes on one core
    python -m checks.training --all        # each operation at 4, 8, 16, 64 channels, 60 random networks
    python -m checks.training --growth     # max pooling at width 64 after 1, 2, 4 and 10 updates: a minute
    python -m checks.training --accuracy   # five whole trainings on the default images: half an hour

A network is trained from the same initial weights on the same batches and dropout masks by
* ours: the program that training runs, its layers and rewrites for this device;
* Paddle's own layers, without any rewrite;
* PyTorch in float64 and in float32 (benchmarks/torch_peer.py).
After each half of the updates it is evaluated. Momentum, the weights' change and moving statistics are
compared with those of float64: of each variable the norm of the difference over its norm. The median over a
network's variables and the largest must be within BOUND times what float32 itself costs PyTorch.

One update shows nothing: operators run in the program's order in the first one only (see CONTRIBUTING.md).
"""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import nn_paddle
from autodl_design.agents.random_search import random_architectures
from autodl_design.child_network.augmentation import pixel_table, standardise
from autodl_design.child_network.cpu_layers import ChannelsFirst, ChannelsLast
from autodl_design.child_network.layers import Layers
from autodl_design.image_data.subset import Subset, load_subset
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.reference import Design, reference_recipe

UPDATES = 10
BATCH = 16
BOUND = 10.0  # times the error of float32 itself
# The error of float32 where it was lucky. In float32 an input of a ReLU close to 0 now and then has the
# other sign. A few such inputs moved the median over the variables of PyTorch's networks by up to 6e-3, the
# worst variable by up to 2e-2. Wrong gradients move the median by 0.5.
FLIP = (3e-3, 2e-2)

MOMENTUM = "_velocity_0"  # what Paddle appends to a parameter's name
NEGLIGIBLE = 1e-6  # norm of a variable below which its relative error says nothing

State = dict[str, np.ndarray]  # of the variables that training changes, by Paddle's names


class Network(NamedTuple):
    name: str
    design: Design
    config: ChildSettings


# --- What is compared -------------------------------------------------------------------------------


def one_operation(token: int, channels: int) -> Network:
    """Three nodes of one operation in a row, in a normal and in a reduction cell, so that each form of it
    occurs several times with results of one shape."""
    architecture = Architecture.of([token] * 6, [1, 0, 1] * 2)
    config = ChildSettings(width=channels, ratio=1, num_stages=2, num_cells=1, **TRAINING)
    return Network(f"{OPERATION_NAMES[token]}, {channels} channels", architecture, config)


def random_networks(size: str, count: int) -> list[Network]:
    """Half of them sparse, at the quick, the small or the default width."""
    nodes, width = {"quick": (4, 8), "small": (10, 16), "default": (10, 64)}[size]
    networks = []
    for index in range(count):
        rng = np.random.default_rng([index, width])
        probability = 0.5 if index % 2 else 0.15
        tokens, adjvec = random_architectures(rng, 1, nodes, len(OPERATION_NAMES), probability)
        config = ChildSettings(width=width, num_cells=1, **TRAINING)
        networks.append(Network(f"{size} {index}", Architecture.of(tokens[0], adjvec[0]), config))
    return networks


def with_shortcut(network: Network) -> Network:
    """Two normal cells in a row, the input of each added to its output."""
    config = dataclasses.replace(network.config, num_cells=2, shortcut=True)
    return Network(f"{network.name}, shortcut", network.design, config)


# A low rate: the errors of float32 then grow little in ten updates, and momentum still is the sum of all
# gradients.
TRAINING = {"epochs": 2, "T_0": 2.0, "warmup": 0.5, "train_batch_size": BATCH, "lr_max": 0.0005}


REFERENCE = dataclasses.replace(reference_recipe(), width=16, **TRAINING)  # for a `Reference`


def images(updates: int) -> Subset:
    """Noise of 16 x 16 pixels, as many as two epochs of `updates` / 2 updates take."""
    rng = np.random.default_rng(0)
    count = max(updates // 2, 1) * BATCH
    pixels = rng.integers(0, 256, (count, 3 * 16 * 16)).astype(np.uint8)
    labels = rng.integers(0, 10, count)
    return Subset(pixels, labels, pixels[:BATCH], labels[:BATCH], tuple("0123456789"))


# --- Ours and Paddle's own --------------------------------------------------------------------------


@contextlib.contextmanager
def layers(kind: type[Layers]) -> Iterator[None]:
    with mock.patch.object(nn_paddle, "layers_for", lambda config, training: kind(training)):
        yield


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Within it, networks are trained by Paddle's own layers, without rewrites."""
    with layers(Layers), mock.patch.object(nn_paddle, "speed_up", lambda program: None):
        yield


class Recorded(NamedTuple):
    """A training in Paddle, with all that another one needs to do the same."""

    before: State
    after: State
    batches: list[
        tuple[np.ndarray, np.ndarray, np.ndarray]
    ]  # rows of the pixel table, labels, kept features
    evaluation_loss: float


def train(network: Network, subset: Subset) -> Recorded:
    """Two epochs, with an evaluation after each."""
    batches = []

    def pack_batch(*batch: np.ndarray) -> np.ndarray:
        batches.append(batch)
        return packed(*batch)

    packed, config = nn_paddle.pack_batch, network.config
    rng = np.random.default_rng(0)
    with (
        mock.patch.object(nn_paddle, "pack_batch", pack_batch),
        nn_paddle.ChildTraining(network.design, config, subset, rng) as training,
    ):
        before = training.state()
        for _ in range(config.epochs):
            training.train_epoch()
            _, loss = training.evaluate(subset.validation_images, subset.validation_labels)
        return Recorded(before, training.state(), batches, loss)


# --- PyTorch ----------------------------------------------------------------------------------------


def train_in_torch(network: Network, subset: Subset, recorded: Recorded, dtype: str) -> State:
    """The state after the recorded training's batches, under Paddle's names. dtype: float64 or float32."""
    import torch

    from benchmarks import torch_peer

    torch.set_num_threads(1)  # more wait for each other where cores are busy
    config, number = network.config, getattr(torch, dtype)
    model = torch_peer.ChildNetwork(network.design.cells(), config).to(number).train()
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    named = _named_parameters(model, norms)
    classifier = f"weight_{sum(name.startswith('weight_') for name in named) - 1}"  # [in, out] in Paddle
    for name, parameter in named.items():
        value = recorded.before[name]
        parameter.data.copy_(torch.from_numpy(value.T if name == classifier else value))
    counts: dict[Any, int] = {}
    for norm in norms:
        norm.register_forward_hook(
            lambda norm, inputs, _: counts.update({norm: inputs[0].numel() // norm.num_features})
        )
    optimizer = torch.optim.SGD(
        model.parameters(), 0.0, config.momentum, weight_decay=config.weight_decay, nesterov=True
    )
    table = pixel_table(standardise(subset.train_images))
    steps = len(recorded.batches) // config.epochs
    for step, (rows, labels, kept) in enumerate(recorded.batches):
        (group,) = optimizer.param_groups
        group["lr"] = nn_paddle.learning_rate(config, step / steps)
        pixels = table[rows].reshape(len(rows), subset.image_size, subset.image_size, 3)
        images = torch.from_numpy(pixels.transpose(0, 3, 1, 2)).to(number)
        mask = torch.from_numpy(kept / (1 - config.dropout_rate)).to(number)
        model.dropout.forward = lambda features, mask=mask: features * mask
        loss = torch.nn.functional.cross_entropy(model(images), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    state = {}
    for name, parameter in named.items():
        values = {
            name: parameter.detach(),
            f"{name}{MOMENTUM}": optimizer.state[parameter]["momentum_buffer"],
        }
        transposed = name == classifier
        state |= {key: (value.T if transposed else value).numpy() for key, value in values.items()}
    for index, norm in enumerate(norms):
        state[f"bn_{index}.mean"] = norm.running_mean.numpy()
        # Paddle's moving variance is of the batch itself; PyTorch's estimates that of the population.
        initial = config.bn_decay ** len(recorded.batches)
        biased = (norm.running_var - initial) * (1 - 1 / counts[norm]) + initial
        state[f"bn_{index}.variance"] = biased.numpy()
    return state


def _named_parameters(model: Any, norms: Sequence[Any]) -> dict[str, Any]:
    """PyTorch's parameters by Paddle's names, both in the order of construction."""
    weights = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    named = {f"weight_{index}": weight for index, weight in enumerate(weights)}
    for index, norm in enumerate(norms):
        named |= {f"bn_{index}.scale": norm.weight, f"bn_{index}.shift": norm.bias}
    return named | {"bias_0": model.classifier.bias}


# --- Comparison -------------------------------------------------------------------------------------


class Errors(NamedTuple):
    """Relative differences of two trainings' ends: the median over the variables, and the largest."""

    median: float
    worst: float

    def __str__(self) -> str:
        return f"{self.median:.1e} ({self.worst:.1e})"


def errors(state: State, exact: State, before: State) -> dict[str, Errors]:
    """Of momentum, of the weights' change, and of the moving statistics, against the `exact` state."""
    kinds: dict[str, list[float]] = {"momentum": [], "weights": [], "statistics": []}
    for name, value in exact.items():
        if name.endswith(MOMENTUM):
            kind, reference = "momentum", 0.0
        elif name.endswith((".mean", ".variance")):
            kind, reference = "statistics", 0.0
        else:
            kind, reference = "weights", before[name]
        size = np.linalg.norm(value - reference)
        if size > NEGLIGIBLE:
            kinds[kind].append(np.linalg.norm(state[name] - value) / size)
    return {kind: Errors(float(np.median(e)), float(max(e))) for kind, e in kinds.items()}


def within(ours: Errors, of_float32: Errors) -> bool:
    """Whether the errors are what float32 explains."""
    bounds = [BOUND * max(pair) for pair in zip(of_float32, FLIP, strict=True)]
    return all(error <= bound for error, bound in zip(ours, bounds, strict=True))


def check(network: Network, subset: Subset) -> dict[str, tuple[Errors, Errors]]:
    """Of each kind of variable: our errors, and PyTorch's in float32, both against PyTorch's in float64."""
    ours = train(network, subset)
    exact = train_in_torch(network, subset, ours, "float64")
    single = train_in_torch(network, subset, ours, "float32")
    of_ours, of_float32 = (errors(state, exact, ours.before) for state in (ours.after, single))
    return {kind: (of_ours[kind], of_float32[kind]) for kind in of_ours}


def differences(network: Network, subset: Subset) -> dict[str, Errors]:
    """Between our training and Paddle's own layers without rewrites."""
    ours = train(network, subset)
    with plain():
        paddles = train(network, subset)
    assert all(np.array_equal(*pair) for pair in zip(ours.batches[-1], paddles.batches[-1], strict=True))
    return errors(ours.after, paddles.after, paddles.before)


def main(arguments: Sequence[str]) -> int:
    if unknown := set(arguments) - {"--all", "--growth", "--accuracy"}:
        print(f"checks.training: {min(unknown)} is not --all, --growth or --accuracy", file=sys.stderr)
        return 2
    if "--growth" in arguments:
        return growth()
    if "--accuracy" in arguments:
        return accuracy()
    subset, failed, count = images(UPDATES), 0, 0
    for network, kind in cases(whole="--all" in arguments):
        with layers(kind) if kind else contextlib.nullcontext():
            of_kinds = check(network, subset)
        for variables, (ours, of_float32) in of_kinds.items():
            count += 1
            failed += not within(ours, of_float32)
            verdict = "ok" if within(ours, of_float32) else "BEYOND THE BOUND"
            name = f"{network.name}, {kind.__name__ if kind else 'as trained'}"
            print(f"{name:45} {variables:10} ours {ours}, float32 {of_float32}: {verdict}", flush=True)
    print(f"{count} comparisons after {UPDATES} updates, {failed} beyond their bounds")
    return 1 if failed else 0


def cases(whole: bool) -> Iterator[tuple[Network, type[Layers] | None]]:
    """Networks and the layers to train them with; None: those that training chooses."""
    if not whole:
        yield from ((one_operation(token, 16), None) for token in range(len(OPERATION_NAMES)))
        yield from ((random_networks(size, 1)[0], None) for size in ("quick", "small", "default"))
        yield from ((with_shortcut(network), None) for network in random_networks("small", 2))
        return
    for token in range(len(OPERATION_NAMES)):
        for channels in (4, 8, 16, 64):
            for kind in (ChannelsFirst, ChannelsLast):
                yield one_operation(token, channels), kind
    for size in ("quick", "small", "default"):
        yield from ((network, None) for network in random_networks(size, 20))


def growth() -> int:
    """How far a chain of max pooling at width 64 is from Paddle's own pooling, update after update."""
    architecture = Architecture.of([6] * 20, [int(i == j + 1) for i in range(1, 10) for j in range(i)] * 2)
    config = ChildSettings(num_cells=1, **TRAINING)
    print("| updates | momentum, median (worst) relative difference |\n|---|---|")
    worst = 0.0
    for updates in (1, 2, 4, 10):
        one_epoch = dataclasses.replace(config, epochs=1, T_0=1.0)
        network = Network("max pooling", architecture, one_epoch)
        found = differences(network, images(2 * updates))["momentum"]
        worst = max(worst, found.median)
        print(f"| {updates} | {found} |", flush=True)
    return 1 if worst > 1e-2 else 0


def accuracy() -> int:
    """Accuracies of five networks, half of whose operations are max pooling, after 20 epochs."""
    subset = load_subset("cifar/pickle-cifar-10")
    config = ChildSettings(width=32, num_cells=1)
    print("| network | ours | Paddle's own layers |\n|---|---|---|")
    pairs = []
    for index in range(5):
        rng = np.random.default_rng([index, 1])
        tokens, adjvec = random_architectures(rng, 1, 10, len(OPERATION_NAMES), 0.15)
        pooling = np.where(rng.random(tokens.shape) < 0.5, rng.integers(6, 8, tokens.shape), tokens)
        architecture = Architecture.of(pooling[0], adjvec[0])
        pair = []
        for own in (False, True):
            with plain() if own else contextlib.nullcontext():
                pair.append(nn_paddle.train_child(architecture, subset, config, seed=index).accuracy)
        pairs.append(pair)
        print(f"| {index} | {pair[0]:.3f} | {pair[1]:.3f} |", flush=True)
    difference = np.subtract(*np.transpose(pairs))
    error = difference.std(ddof=1) / len(pairs) ** 0.5
    print(
        f"mean difference {difference.mean():+.3f} +- {error:.3f}, {len(subset.validation_labels)} images"
    )
    return 1 if abs(difference.mean()) > 3 * error else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
