"""Runs a trained network: its program is built from the architecture, as training builds it.

with Classifier(network) as classifier:
    classifier.load(read_weights(directory, classifier.shapes))
    probabilities = classifier(images)
"""

import contextlib

import numpy as np

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.program_passes import speed_up
from autodl_design.backend.programs import (
    new_executor,
    new_scope,
    no_call_stacks,
    set_variables,
    static_programs,
)
from autodl_design.child_network.augmentation import standardise
from autodl_design.child_network.network import build_network
from autodl_design.child_network.operations import F, Variable, static
from autodl_design.trained_model.model_files import MAX_BYTES, Arrays, Network, Shapes

MAX_BATCH = 25  # images at a time; more are no faster


class Classifier:
    """Use it in a `with` statement."""

    def __init__(self, network: Network):
        self.network = network

    def __enter__(self) -> "Classifier":
        with contextlib.ExitStack() as stack:
            stack.enter_context(static_programs())
            stack.enter_context(new_scope())
            self.executor = new_executor()
            stack.callback(self.executor.close)
            self.program = static.Program()
            with (
                static.program_guard(self.program, static.Program()),
                paddle.utils.unique_name.guard(),
                no_call_stacks(),
            ):
                size = self.network.image_size
                self.probabilities = probabilities_of(
                    static.data("images", [-1, 3, size, size]), self.network
                )
            speed_up(self.program)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exception) -> None:
        del self.executor, self.program, self.probabilities
        self.stack.close()

    @property
    def shapes(self) -> Shapes:
        """Of the weights that `load` takes, by name."""
        return {parameter.name: tuple(parameter.shape) for parameter in self.program.all_parameters()}

    def load(self, weights: Arrays) -> None:
        set_variables(weights)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Probabilities, float32 [n, classes], of images uint8 [n, 3 * S * S]."""
        results = [np.zeros((0, len(self.network.class_names)), np.float32)]
        batch_size = min(MAX_BATCH, MAX_BYTES // self.network.bytes_of_an_image)
        for i in range(0, len(images), batch_size):
            feed = {"images": standardise(images[i : i + batch_size])}
            results += self.executor.run(self.program, feed, [self.probabilities])
        return np.concatenate(results)


def probabilities_of(images: Variable, network: Network) -> Variable:
    """[B, classes], within the current program, of standardised images [B, 3, S, S]."""
    cells, num_classes = network.architecture.cells(), len(network.class_names)
    return F.softmax(build_network(images, cells, num_classes, network.config, training=False))
