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
    one_layout,
    set_variables,
    static_programs,
)
from autodl_design.child_network.augmentation import standardise
from autodl_design.child_network.cpu_layers import layers_for
from autodl_design.child_network.layers import F, Layers, Variable, static
from autodl_design.child_network.network import build_network
from autodl_design.trained_model.model_files import MAX_BYTES, Arrays, Network, Shapes

MAX_BATCH = 25  # images at a time; more are no faster


class Classifier:
    """Use it in a `with` statement."""

    def __init__(self, network: Network):
        self.network = network

    def __enter__(self) -> "Classifier":
        with contextlib.ExitStack() as stack:
            layers = layers_for(self.network.config, training=False)
            stack.enter_context(static_programs())
            stack.enter_context(one_layout(layers.data_format))
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
                images = layers.images(static.data("images", [-1, size, size, 3]))
                self.probabilities = probabilities_of(layers, images, self.network)
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
        results: list[np.ndarray] = [np.zeros((0, len(self.network.class_names)), np.float32)]
        batch_size = min(MAX_BATCH, MAX_BYTES // self.network.bytes_of_an_image)
        for i in range(0, len(images), batch_size):
            channels_last = standardise(images[i : i + batch_size]).transpose(0, 2, 3, 1)
            feed = {"images": np.ascontiguousarray(channels_last)}
            results += self.executor.run(self.program, feed, [self.probabilities])
        return np.concatenate(results)


def probabilities_of(layers: Layers, images: Variable, network: Network) -> Variable:
    """[B, classes], within the current program, of standardised images in the layout of the layers."""
    num_classes = len(network.class_names)
    return F.softmax(build_network(layers, images, network.design, num_classes, network.config))
