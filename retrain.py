"""Train an architecture that a search found, from scratch and for as long as asked, into a model to use.

    python retrain.py --architecture=log/best.json                        # on the search's images
    python retrain.py --architecture=log/best.json --cifar_dir=cifar/cifar-10-batches-py    # on all
    python retrain.py --architecture=log/best.json --resume               # goes on after a stop

The recipe is that of the search, its cosine stretched to --epochs; --width and --num_cells make the network
larger. After every epoch OUTPUT_DIR gets a checkpoint. The weights best on the validation images are kept,
and written at the end as model.pdmodel and model.pdiparams, which predict.py reads; with --cifar_dir their
accuracy on CIFAR-10's test batch is told once, if that is there.
"""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
from absl import app, flags

import dataset_maker
from image_data.class_names import check_class_names
from image_data.source import open_source
from nn_paddle import ChildTrainer
from record.files import read_arrays, write_arrays, write_whole
from search_space.architecture_file import Architecture, ArchitectureError, read_architecture
from search_space.child import ChildConfig
from settings.fields import SettingsError

try:
    import paddle2onnx  # an optional extra
except ImportError:
    paddle2onnx = None

FLAGS = flags.FLAGS

ONNX_OPSET = 13
VALIDATION_SHARE = 10  # one of so many images, of all of CIFAR-10's for training


class RetrainError(Exception):
    """A training that cannot start or go on; the text is for the user."""


def load_images() -> dataset_maker.Subset:
    if not FLAGS.cifar_dir:
        return dataset_maker.load_subset(FLAGS.data_path, FLAGS.chunk_size)
    source = open_source(Path(FLAGS.cifar_dir))
    images, labels = source.all_images(), source.labels
    order = np.random.default_rng(FLAGS.seed).permutation(len(images))
    held_out, train = np.split(order, [len(order) // VALIDATION_SHARE])
    return dataset_maker.Subset(
        images[train], labels[train], images[held_out], labels[held_out], source.class_names
    )


def make_config(config: ChildConfig) -> ChildConfig:
    """The recipe for --epochs, warming up for the same share of them as in the search."""
    try:
        return dataclasses.replace(
            config,
            early_stop=FLAGS.epochs,
            T_0=float(FLAGS.epochs),
            warmup=config.warmup * FLAGS.epochs / config.T_0,
            width=FLAGS.width or config.width,
            num_cells=FLAGS.num_cells or config.num_cells,
        )
    except SettingsError as error:
        raise RetrainError(f"recipe: {error}") from error


def retrain(architecture: Architecture, output_dir: Path) -> None:
    if FLAGS.onnx and paddle2onnx is None:
        raise RetrainError("--onnx needs: pip install --no-deps -r requirements/onnx.txt")
    config = make_config(architecture.config)
    subset = load_images()
    class_names = check_class_names(FLAGS.classes or subset.class_names, subset.num_classes, "--classes")
    settings = {
        "tokens": architecture.tokens,
        "adjvec": architecture.adjvec,
        "recipe": dataclasses.asdict(config),
        "seed": FLAGS.seed,
        "images": subset.sha256(),
    }
    checkpoint = output_dir / "checkpoint.npz"
    if checkpoint.exists() and not FLAGS.resume:
        raise RetrainError(f"{output_dir} holds a training: go on with it by --resume, or name another")
    output_dir.mkdir(parents=True, exist_ok=True)

    rng = np.random.default_rng(FLAGS.seed)
    validation = subset.validation_images, subset.validation_labels
    with ChildTrainer(
        architecture.tokens, architecture.adjvec, config, subset, rng
    ) as trainer:
        first_epoch, best_accuracy, best = 1, -1.0, {}
        if checkpoint.exists():
            try:
                numbers, arrays = read_arrays(checkpoint)
            except ValueError as error:
                raise RetrainError(f"{error}: remove it and start over") from error
            now, best = _split(arrays)
            if numbers["settings"] != settings:
                raise RetrainError(f"--resume: {output_dir} holds a training of other settings")
            first_epoch, best_accuracy = numbers["epoch"] + 1, numbers["best_accuracy"]
            trainer.load_state(now, numbers["epoch"])
            rng.bit_generator.state = numbers["rng"]
            print(f"going on after epoch {numbers['epoch']}", flush=True)
        for epoch in range(first_epoch, FLAGS.epochs + 1):
            loss, train_accuracy = trainer.train_epoch()
            if not math.isfinite(loss):
                raise RetrainError(f"the loss left the finite numbers in epoch {epoch}")
            accuracy, _ = trainer.evaluate(*validation)
            now = trainer.state()
            if accuracy > best_accuracy:
                best_accuracy, best = accuracy, now
            numbers = {
                "settings": settings,
                "epoch": epoch,
                "best_accuracy": best_accuracy,
                "rng": rng.bit_generator.state,
            }
            write_arrays(checkpoint, numbers, _join(now, best))
            print(
                f"epoch {epoch}/{FLAGS.epochs}: loss {loss:.3f}, training accuracy {train_accuracy:.3f}, "
                f"validation accuracy {accuracy:.3f}",
                flush=True,
            )
        trainer.load_state(best, FLAGS.epochs)
        print(f"{trainer.num_params} parameters, best validation accuracy {best_accuracy:.3f}")
        test_batch = Path(FLAGS.cifar_dir or "", "test_batch")
        if FLAGS.cifar_dir and test_batch.exists():
            accuracy, _ = trainer.evaluate(*dataset_maker.load_batch(test_batch))
            print(f"accuracy on {test_batch}: {accuracy:.4f}")
        trainer.export(str(output_dir / "model"))
        write_whole(output_dir / "classes.txt", ("\n".join(class_names) + "\n").encode())
        print(f"wrote {output_dir}/model.pdmodel and model.pdiparams")
    if FLAGS.onnx:
        prefix = str(output_dir / "model")
        paddle2onnx.export(
            f"{prefix}.pdmodel", f"{prefix}.pdiparams", f"{prefix}.onnx", ONNX_OPSET, enable_optimize=False
        )


def _join(now: dict, best: dict) -> dict:
    """The states of the last and of the best epoch as one."""
    return {f"now.{name}": a for name, a in now.items()} | {f"best.{name}": a for name, a in best.items()}


def _split(arrays: dict) -> tuple[dict, dict]:
    now, best = (
        {name.removeprefix(kind): a for name, a in arrays.items() if name.startswith(kind)}
        for kind in ("now.", "best.")
    )
    return now, best


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    try:
        retrain(read_architecture(FLAGS.architecture), Path(FLAGS.output_dir))
    except (RetrainError, ArchitectureError, dataset_maker.DatasetError) as error:
        sys.exit(f"retrain.py: {error}")
    except OSError as error:
        sys.exit(f"retrain.py: {error.filename or FLAGS.output_dir}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("retrain.py: stopped; the same command with --resume goes on")
        sys.exit(130)


if __name__ == "__main__":
    flags.DEFINE_string("architecture", None, "A best.json.", required=True)
    flags.DEFINE_string("output_dir", "retrained", "Where checkpoint and model go.")
    flags.DEFINE_string("data_path", "cifar/pickle-cifar-10", "Where dataset_maker.py wrote the images.")
    flags.DEFINE_integer("chunk_size", None, "Images in each of its ten files.", lower_bound=1)
    flags.DEFINE_string("cifar_dir", None, "Train on all of the CIFAR-10 there instead, or fetch it there.")
    flags.DEFINE_integer("epochs", 100, "Epochs of training.", lower_bound=1)
    flags.DEFINE_integer("width", None, "Channels of the first stage; by default as in the search.", 1)
    flags.DEFINE_integer("num_cells", None, "Cells in a stage; by default as in the search.", 1)
    flags.DEFINE_integer("seed", 0, "Decides everything that is random.", 0, 2**32 - 1)
    flags.DEFINE_boolean("resume", False, "Go on with the training in --output_dir, if there is one.")
    flags.DEFINE_boolean("onnx", False, "Also write model.onnx; see requirements/onnx.txt.")
    flags.DEFINE_list("classes", None, "Names of the classes; by default those of the images.")
    app.run(main)
