"""Train an architecture that a search found, from scratch and for as long as asked, into a model to use.

    python retrain.py --architecture=log/best.json                  # on the search's images
    python retrain.py --architecture=log/best.json --input_dir=cifar/cifar-10-batches-py    # on all
    python retrain.py --resume                                      # goes on after a stop
    python retrain.py --reference=vgg --width=32 --output_dir=vgg   # a hand-written network, to compare

The recipe is that of the search, its learning rate stretched to --epochs; --width and --num_cells make the
network larger. After every epoch --output_dir gets a checkpoint, which holds the settings too. The weights
that are best on the validation images become the model that predict.py reads (see
autodl_design/trained_model/model_files.py). Where there are test images, its accuracy on them is measured
once, at the end: test.pkl in --data_path (dataset_maker.py --test_per_class), CIFAR-10's test_batch in
--input_dir.

From Python: retrain(RetrainSettings(architecture="log/best.json", epochs=20))
"""

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()


import dataclasses
import math
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.checked_io.files import write_whole
from autodl_design.checked_io.locks import lock
from autodl_design.checked_io.messages import printable
from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.subset import Subset
from autodl_design.retraining.checkpoint import (
    Checkpoint,
    checkpoint_path,
    damaged,
    find_checkpoint,
    write_checkpoint,
)
from autodl_design.retraining.images import Images, check_same, load_images
from autodl_design.retraining.plan import (
    Plan,
    check_plan,
    check_possible,
    check_settings,
    make_plan,
    settings_of,
    what_to_train,
)
from autodl_design.retraining.settings import RetrainError, RetrainSettings, options_of, resume_command
from autodl_design.search_space.architecture_file import ArchitectureError
from autodl_design.search_space.image_origin import named
from autodl_design.settings import command_line
from autodl_design.settings.fields import SettingsError
from autodl_design.settings.flags import FLAGS, define_flags, from_flags
from autodl_design.trained_model.evaluation import Evaluation
from autodl_design.trained_model.inference import Classifier
from autodl_design.trained_model.model_files import (
    CLASSES,
    ONNX,
    PARAMETERS,
    PROGRAM,
    Network,
    check_places,
    write_model,
)
from autodl_design.trained_model.onnx_export import OnnxError, check_installed, to_onnx
from autodl_design.trained_model.paddle_export import to_paddle
from autodl_design.trainers.devices import DevicesError, check_own_gpu
from nn_paddle import ChildTraining

ERRORS = (RetrainError, ArchitectureError, DatasetError, SettingsError, OnnxError, DevicesError)


class Retrained(NamedTuple):
    accuracy: float  # the best on the validation images; the model has the weights of that epoch
    test_accuracy: float | None
    num_params: int
    directory: Path


def main(arguments: list[str]) -> None:
    config = config_from_flags()
    try:
        retrain(config)
    except OSError as error:
        raise RetrainError(f"{error.filename or config.output_dir}: {error.strerror or error}") from error
    except KeyboardInterrupt:
        if checkpoint_path(config).exists():
            print(printable(f"retrain.py: stopped; `{resume_command(config)}` goes on"))
        sys.exit(130)


def config_from_flags() -> RetrainSettings:
    """With --resume, flags that are not given are as the training in --output_dir has them."""
    config = from_flags(RetrainSettings)
    stored = find_checkpoint(config) if config.resume else None
    if not stored:
        return config
    values = {**stored.options, **settings_of(stored.plan)}
    return dataclasses.replace(config, **{k: v for k, v in values.items() if FLAGS[k].using_default_value})


def retrain(config: RetrainSettings) -> Retrained:
    """Train, and write the model to `config.output_dir`.

    Raises the ERRORS, whose texts are for the user, and OSError where a file cannot be written.
    """
    if config.onnx:
        check_installed()
    stored = find_checkpoint(config)
    if stored:
        check_settings(config, stored.plan)
    given = what_to_train(config, stored.plan if stored else None)
    images = load_images(config, stored.images if stored else given.images)
    plan = make_plan(config, given, images)
    if stored:
        check_plan(config, plan, stored.plan, images)
    else:
        check_same(config, given.images, images)
    check_possible(plan, images)
    network = network_of(plan, images)
    with opened(Path(config.output_dir)):
        return run(config, plan, stored, images, network)


def network_of(plan: Plan, images: Images) -> Network:
    """Its accuracy is not known yet. Raises RetrainError."""
    try:
        return Network(plan.design, plan.config, images.origin, 0.0)
    except ValueError as error:
        raise RetrainError(f"the network is too large to be used: {error}") from error


@contextmanager
def opened(directory: Path) -> Iterator[None]:
    """Make the directory, and keep other processes from training in it."""
    directory.mkdir(parents=True, exist_ok=True)
    check_places(directory)
    with open_regular(directory / "lock", "ab") as file:
        try:
            lock(file, directory / "lock")
        except BlockingIOError as error:
            raise RetrainError(
                f"another process is training in {directory}: choose another --output_dir"
            ) from error
        yield


def run(
    config: RetrainSettings, plan: Plan, stored: Checkpoint | None, images: Images, network: Network
) -> Retrained:
    check_own_gpu()
    subset, rng = images.subset, np.random.default_rng(plan.seed)
    with ChildTraining(network.design, plan.config, subset, rng) as trainer:
        print(
            f"{trainer.num_params} parameters, {len(subset.train_images)} training images, "
            f"{len(subset.validation_images)} validation images, {named(images.origin.class_names)}",
            flush=True,
        )
        if not subset.balanced:
            print("validation accuracies are balanced: means over the classes, which differ in size")
        if stored:
            checkpoint = go_on(config, stored, images, trainer)
        else:
            checkpoint = first_checkpoint(config, plan, images, trainer)
        write_checkpoint(config, checkpoint)  # what cannot be written is known at once
        checkpoint = train_epochs(config, trainer, checkpoint, subset)
        trainer.load_state(checkpoint.best, checkpoint.epoch)
        print(f"best validation accuracy {checkpoint.best_accuracy:.3f}", flush=True)
        test_accuracy = trainer.evaluate(*images.test)[0] if images.test else None
        if images.test:
            print(f"accuracy on {len(images.test[1])} test images: {test_accuracy:.4f}")
        network = dataclasses.replace(network, accuracy=checkpoint.best_accuracy)
        weights = trainer.weights()
    print_by_class(network, weights, subset)
    export(config, network, weights)
    return Retrained(checkpoint.best_accuracy, test_accuracy, trainer.num_params, Path(config.output_dir))


def first_checkpoint(
    config: RetrainSettings, plan: Plan, images: Images, trainer: ChildTraining
) -> Checkpoint:
    """Of no epoch yet."""
    state = trainer.state()
    rng = trainer.rng.bit_generator.state
    return Checkpoint(plan, images.origin, options_of(config), 0, -1.0, rng, state, state)


def go_on(
    config: RetrainSettings, stored: Checkpoint, images: Images, trainer: ChildTraining
) -> Checkpoint:
    """The checkpoint with the configuration's options, and where the images are now. Raises RetrainError
    where it does not fit the network."""
    try:
        stored.check_states(trainer.state())
    except ValueError as error:
        raise damaged(checkpoint_path(config), error) from error
    trainer.load_state(stored.now, stored.epoch)
    trainer.rng.bit_generator.state = stored.rng
    print(f"going on after epoch {stored.epoch}", flush=True)
    return dataclasses.replace(stored, images=images.origin, options=options_of(config))


def train_epochs(
    config: RetrainSettings, trainer: ChildTraining, checkpoint: Checkpoint, subset: Subset
) -> Checkpoint:
    """Train what is left after the checkpoint, and return the last one. Raises RetrainError."""
    epochs = checkpoint.plan.config.epochs
    for epoch in range(checkpoint.epoch + 1, epochs + 1):
        loss, train_accuracy = trainer.train_epoch()
        if not math.isfinite(loss):
            raise RetrainError(
                f"the loss left the finite numbers in epoch {epoch}: train with another --seed or a lower "
                "lr_max in the recipe of the architecture's file, in another --output_dir"
            )
        accuracy, _ = trainer.evaluate(subset.validation_images, subset.validation_labels)
        now, rng = trainer.state(), trainer.rng.bit_generator.state
        checkpoint = dataclasses.replace(checkpoint, epoch=epoch, rng=rng, now=now)
        if accuracy > checkpoint.best_accuracy:
            checkpoint = dataclasses.replace(checkpoint, best_accuracy=accuracy, best=now)
        write_checkpoint(config, checkpoint)
        print(
            f"epoch {epoch}/{epochs}: loss {loss:.3f}, training accuracy {train_accuracy:.3f}, "
            f"validation accuracy {accuracy:.3f}",
            flush=True,
        )
    return checkpoint


def print_by_class(network: Network, weights: dict[str, np.ndarray], subset: Subset) -> None:
    with Classifier(network) as classifier:
        classifier.load(weights)
        predicted = classifier(subset.validation_images).argmax(axis=1)
    labels = subset.validation_labels.tolist()
    for line in Evaluation.of(network.class_names, labels, predicted.tolist()).lines(matrix=False):
        print(f"on the validation images: {line}")


def export(config: RetrainSettings, network: Network, weights: dict[str, np.ndarray]) -> None:
    directory = Path(config.output_dir)
    program, parameters = to_paddle(network, weights)
    for_others = {
        PROGRAM: program,
        PARAMETERS: parameters,
        CLASSES: "".join(f"{name}\n" for name in network.class_names).encode(),
    }
    if config.onnx:
        for_others[ONNX] = to_onnx(program, parameters, network.class_names)
    for name, content in for_others.items():
        write_whole(directory / name, content)
    write_model(directory, network, weights)
    predict = f"python predict.py --model={shlex.quote(config.output_dir)} PICTURE ..."
    print(printable(f"wrote the model: `{predict}` classifies pictures"))


if __name__ == "__main__":
    define_flags(RetrainSettings)
    command_line.start(main, (RetrainSettings,), ERRORS)
