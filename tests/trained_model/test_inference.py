"""A trained network built again from its files, and in Paddle's own form."""

import math

import numpy as np
import pytest
from model_records import ADJVEC, TOKENS

from autodl_design.backend.paddle_backend import paddle
from autodl_design.image_data.subset import Subset
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.image_origin import ImageOrigin
from autodl_design.trained_model.inference import Classifier
from autodl_design.trained_model.model_files import Network, read_network, read_weights, write_model
from autodl_design.trained_model.paddle_export import to_paddle
from nn_paddle import ChildTraining


@pytest.mark.parametrize("num_classes, size", [(2, 8), (3, 13), (100, 32), (1000, 8), (5, 224)])
def test_classifies_as_in_training(num_classes, size, tmp_path):
    """Whatever the number of classes and the size of the images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (32, 3 * size**2)).astype(np.uint8)
    images[0] = 7  # nothing to divide by
    labels = rng.permutation(np.arange(32) % num_classes)
    labels[0] = num_classes - 1
    subset = Subset(images, labels, images[:3], labels[:3], tuple(map(str, range(num_classes))))
    architecture = Architecture.of(TOKENS, ADJVEC)
    config = ChildSettings(width=4, num_cells=1, num_stages=2, train_batch_size=16)
    with ChildTraining(architecture, config, subset, rng) as training:
        loss, _ = training.train_epoch()
        assert 0.1 * math.log(num_classes) < loss < 10 * math.log(num_classes)
        expected = training.evaluate(images, labels)
        weights = training.weights()
    network = Network(architecture, config, ImageOrigin.of("data_path", "mine", subset), accuracy=0.5)
    write_model(tmp_path, network, weights)

    assert read_network(tmp_path) == network
    with Classifier(network) as classifier:
        classifier.load(read_weights(tmp_path, classifier.shapes))
        probabilities = classifier(images)
        assert classifier(images[:0]).shape == (0, num_classes)
    losses = -np.log(probabilities[np.arange(32), labels])
    right = probabilities.argmax(1) == labels
    accuracy = np.mean([right[labels == k].mean() for k in set(labels.tolist())])
    np.testing.assert_allclose([accuracy, losses.mean()], expected, rtol=1e-4)

    for suffix, content in zip((".pdmodel", ".pdiparams"), to_paddle(network, weights), strict=True):
        (tmp_path / f"model{suffix}").write_bytes(content)
    predictor = paddle.inference.create_predictor(
        paddle.inference.Config(str(tmp_path / "model.pdmodel"), str(tmp_path / "model.pdiparams"))
    )
    (exported,) = predictor.run([paddle.to_tensor(images.reshape(-1, 3, size, size).astype(np.float32))])
    np.testing.assert_allclose(exported.numpy(), probabilities, atol=1e-5)
