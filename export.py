"""Write a network as a program of its own, in PyTorch, Paddle or ONNX, that needs nothing of this project.

    python export.py --model=retrained --to=torch --output=my_network.py    # what retrain.py trained
    python export.py --architecture=log/best.json --to=paddle               # untrained

my_network.py is one readable file with the network as nn.Module (PyTorch) or nn.Layer (Paddle), its cells
as plain code with the names of the picture, and steps of fine-tuning as an example. Its weights lie beside
it, in my_network.safetensors. With --to=onnx the network is in my_network.onnx, and my_network.py runs it
by ONNX Runtime.
"""

import dataclasses
import os
import shlex
from pathlib import Path

from safetensors.numpy import save

from autodl_design.checked_io.files import write_whole
from autodl_design.checked_io.messages import printable
from autodl_design.search_space.architecture_file import (
    ArchitectureError,
    FoundArchitecture,
    read_architecture,
)
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trained_model.model_files import Arrays, ModelError, Network, read_network, read_weights
from autodl_design.trained_model.onnx_export import OnnxError, check_installed, to_onnx
from autodl_design.trained_model.source_code import ExportError, module_state, recipe, source_code

ERRORS = (ExportError, ArchitectureError, ModelError, OnnxError, SettingsError)


@dataclasses.dataclass(frozen=True)
class ExportSettings(Settings):
    """What is written"""

    model: str | None = setting(None, "Directory of a trained model: --output_dir of retrain.py.")
    architecture: str | None = setting(
        None,
        "File of an architecture, such as log/best.json, whose network is written without weights; with "
        "--model it must be the model's.",
    )
    to: str = setting("torch", "The framework.", choices=("torch", "paddle", "onnx"))
    output: str = setting("my_network.py", "The file; weights are written beside it under its name.")


def main(arguments: list[str]) -> None:
    config = from_flags(ExportSettings)
    try:
        for path in export(config):
            print(printable(f"wrote {path}"))
    except OSError as error:
        raise ExportError(f"{error.filename or config.output}: {error.strerror or error}") from error
    pictures = " PICTURE ..." if config.model else ""
    print(printable(f"to try it: `python {shlex.quote(config.output)}{pictures}`"))


def export(config: ExportSettings) -> list[Path]:
    """The files that were written. Raises the ERRORS, whose texts are for the user, and OSError where a
    file cannot be written."""
    output = Path(config.output)
    suffix = ".onnx" if config.to == "onnx" else ".safetensors"
    if output.suffix != ".py" or not output.stem.isidentifier() or not output.stem.isascii():
        raise ExportError(f"--output={config.output}: name a file that can be imported, as my_network.py")
    for path in (output, output.with_suffix(suffix)):
        if os.path.lexists(path):
            raise ExportError(f"{path} is there already: choose another --output")
    found = read_architecture(config.architecture) if config.architecture else None
    if config.model:
        if config.to == "onnx":
            check_installed()
        network, facts, weights = trained(config.model, found)
    elif found is None:
        raise ExportError("name a model by --model, or a file such as log/best.json by --architecture")
    elif config.to == "onnx":
        raise ExportError("--to=onnx needs --model: ONNX holds a network with its weights")
    else:
        network, facts, weights = untrained(found), facts_of_search(found), None
    text = source_code(config.to, network, output.name, weights is not None, facts)
    output.parent.mkdir(parents=True, exist_ok=True)
    written = [output]
    if weights is not None:
        written.append(output.with_suffix(suffix))
        write_whole(written[1], content(config.to, network, weights))
    write_whole(output, text.encode())
    return written


def trained(directory: str, found: FoundArchitecture | None) -> tuple[Network, str, Arrays]:
    """A model, what is known of it, and its weights."""
    network = read_network(Path(directory))
    if found and found.architecture != network.design:
        raise ExportError(f"the model in {directory} has another architecture than --architecture says")
    # Its Paddle takes seconds, which a wrong command line need not wait for.
    from autodl_design.trained_model.inference import Classifier

    with Classifier(network) as classifier:
        weights = read_weights(Path(directory), classifier.shapes)
    return network, f"Accuracy {network.accuracy:.3f} on the validation images. {recipe(network)}", weights


def untrained(found: FoundArchitecture) -> Network:
    if found.images is None:
        raise ExportError(
            "--architecture is a file of an earlier version, which does not say for what images: train it "
            "by retrain.py, and name the model by --model"
        )
    try:
        return Network(found.architecture, found.config, found.images, float(found.accuracy))
    except ValueError as error:
        raise ExportError(f"the architecture cannot be exported: {error}") from error


def facts_of_search(found: FoundArchitecture) -> str:
    return (
        f"Untrained; in the search it had accuracy {found.accuracy:.3f} on the validation images and "
        f"{found.num_params:,} parameters. {recipe(untrained(found))}"
    )


def content(to: str, network: Network, weights: Arrays) -> bytes:
    """Of the file beside the program."""
    if to != "onnx":
        return save(module_state(to, network, weights))
    from autodl_design.trained_model.paddle_export import to_paddle

    return to_onnx(*to_paddle(network, weights), network.class_names)


if __name__ == "__main__":
    define_flags(ExportSettings)
    command_line.start(main, (ExportSettings,), ERRORS)
