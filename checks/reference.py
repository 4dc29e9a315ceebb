"""Compare our child network with numbers of the original one.

    python -m checks.reference [CASES.json]

CASES.json (default checks/reference/child_network_cases.json; the README beside it explains it) is a
list of cases: an architecture with its size, the inputs, and what the original network computes from them
with set weights. Each is computed with Paddle's own layers and with both kinds of layers for CPUs. Prints
every deviation; exits with 1 if one is beyond its bound, with 2 if the file cannot be used.

The weights, images and labels of a case follow from formulas: see `set_weights` and `inputs`.
"""

import functools
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autodl_design.backend import programs
from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.program_passes import speed_up
from autodl_design.child_network.cpu_layers import ChannelsFirst, ChannelsLast
from autodl_design.child_network.layers import F, Layers, static
from autodl_design.child_network.network import build_network, draw_parameters
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings

DEFAULT_CASES = Path(__file__).parent / "reference/child_network_cases.json"
Case = dict[str, Any]


class Deviation(NamedTuple):
    quantity: str
    value: float
    bound: float

    @property
    def ok(self) -> bool:
        return self.value <= self.bound  # False for NaN


class Outputs(NamedTuple):
    logits: np.ndarray
    loss: float
    weight_shapes: list[list[int]]
    trainable_params: int
    weight_gradients: list[np.ndarray]


def set_weight(k: int, shape: list[int]) -> np.ndarray:
    """Weight number k of a case: sin(0.7 i + 1.3 k + 0.1) * sqrt(2 / fan) for its i-th element."""
    fan = math.prod(shape[1:]) if len(shape) == 4 else shape[0]
    i = np.arange(math.prod(shape), dtype=np.float64)
    values = np.sin(0.7 * i + 1.3 * k + 0.1) * math.sqrt(2 / fan)
    return values.reshape(shape).astype(np.float32)


def inputs(case: Case) -> dict[str, np.ndarray]:
    rs = np.random.RandomState(case["seed"])
    images = rs.standard_normal((case["batch"], 3, 32, 32)).astype(np.float32)
    return {"images": images, "labels": rs.randint(0, 10, (case["batch"], 1))}


def run_network(case: Case, training: bool, kind: type[Layers] = Layers) -> Outputs:
    """Our network of a case with the case's weights: outputs and, in training mode, gradients."""
    config = ChildSettings(
        width=case["width"],
        num_stages=case["num_stages"],
        num_cells=case["num_cells"],
        ratio=case.get("ratio", 4),
        bn_shift=0.0,
    )
    architecture = Architecture.of(case["tokens"], case["adjvec"])
    feed = inputs(case)
    feed["images"] = feed["images"].transpose(0, 2, 3, 1)
    with programs.static_programs(), programs.new_scope(), programs.no_call_stacks():
        program, startup = static.Program(), static.Program()
        with static.program_guard(program, startup), paddle.utils.unique_name.guard():
            images = static.data("images", feed["images"].shape)
            labels = static.data("labels", feed["labels"].shape, "int64")
            layers = kind(training)
            logits = build_network(layers, layers.images(images), architecture, 10, config)
            loss = F.cross_entropy(logits, labels)
            gradients = static.append_backward(loss) if training else []
        speed_up(program)
        executor = programs.new_executor()
        executor.run(startup)

        values = draw_parameters(program, np.random.default_rng(0))
        weights = [name for name, value in values.items() if value.ndim >= 2]
        for k, name in enumerate(weights):
            values[name] = set_weight(k, list(values[name].shape))
        programs.set_variables(values)

        by_name = {parameter.name: gradient for parameter, gradient in gradients}
        fetch = [logits, loss, *(by_name[name] for name in weights if training)]
        logits_value, loss_value, *gradient_values = executor.run(program, feed, fetch)
        return Outputs(
            logits=logits_value,
            loss=float(loss_value),
            weight_shapes=[list(values[name].shape) for name in weights],
            trainable_params=programs.count_parameters(program),
            weight_gradients=gradient_values,
        )


def check(case: Case, run_network: Callable[[Case, bool], Outputs] = run_network) -> list[Deviation]:
    """How far a network, by default ours, is from a case: run_network(case, training) runs it."""
    train, evaluation = run_network(case, True), run_network(case, False)
    eval_logits = np.array(case["eval_logits"])
    without_biases = case["trainable_params"] - case["conv_bias_params"]
    deviations = [
        Deviation("weight shapes that differ", _differing(train, case), 0),
        Deviation("trainable parameters", abs(train.trainable_params - without_biases), 0),
        Deviation("train_logits", _max_abs(train.logits - case["train_logits"]), 1e-3),
        Deviation(
            "eval_logits",
            _max_abs(evaluation.logits - eval_logits),
            1e-6 + 1e-4 * _max_abs(eval_logits),
        ),
        Deviation("train_loss", abs(train.loss - case["train_loss"]), 1e-3),
        Deviation("eval_loss", abs(evaluation.loss - case["eval_loss"]), 1e-3),
    ]
    if case["num_cells"] == 1:  # deeper networks are ill-conditioned here
        norms = np.array([np.linalg.norm(g.astype(np.float64)) for g in train.weight_gradients])
        expected = np.array(case["weight_grad_norms"])
        relative = _max_abs(norms / expected - 1) if norms.shape == expected.shape else math.nan
        deviations.append(Deviation("weight_grad_norms, relative", relative, 0.03))
    return deviations


def _differing(outputs: Outputs, case: Case) -> int:
    ours, theirs = outputs.weight_shapes, case["weight_shapes"]
    return abs(len(ours) - len(theirs)) + sum(a != b for a, b in zip(ours, theirs, strict=False))


def _max_abs(values: np.ndarray) -> float:
    return float(np.abs(values).max())


def main(path: Path) -> int:
    try:
        cases = json.loads(path.read_text())
        if not isinstance(cases, list) or not cases:
            raise ValueError("not a list of cases")
        results = [
            (case, kind, check(case, functools.partial(run_network, kind=kind)))
            for case in cases
            for kind in (Layers, ChannelsFirst, ChannelsLast)
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"checks.reference: {path} is unusable: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    failed = 0
    for case, kind, deviations in results:
        size = f"width {case['width']}, {case['num_stages']} x {case['num_cells']} cells"
        print(f"case {cases.index(case)}, {kind.__name__}: {size}")
        for d in deviations:
            verdict = "ok" if d.ok else "BEYOND THE BOUND"
            print(f"  {d.quantity:28} {d.value:<12.3g} bound {d.bound:<10.3g} {verdict}")
            failed += not d.ok
    print(f"{len(cases)} cases, {failed} deviations beyond their bounds")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_CASES))
