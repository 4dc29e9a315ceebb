"""Converts an exported model to ONNX by paddle2onnx, an optional extra (requirements/onnx.txt).

check_installed()
content = to_onnx(program, parameters, class_names)
"""

import contextlib
import io
import json
import tempfile
import warnings
from pathlib import Path
from types import ModuleType

from autodl_design.trained_model.onnx_names import with_names

OPSET = 13


class OnnxError(Exception):
    """A model that cannot be converted; the text is for the user."""


def check_installed() -> None:
    """Raises OnnxError where paddle2onnx cannot be imported."""
    try:
        _paddle2onnx()
    except ImportError as error:
        raise OnnxError(
            f"--onnx needs `pip install --no-deps -r requirements/onnx.txt` ({error})"
        ) from error


def _paddle2onnx() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a compiler which nothing here uses has no cache
        import paddle2onnx
    return paddle2onnx


def to_onnx(program: bytes, parameters: bytes, class_names: tuple[str, ...]) -> bytes:
    """The content of an .onnx file, from those of a .pdmodel and a .pdiparams file: from `pixels` to
    `probabilities`, with the names of the classes, as a JSON list, in its metadata. Raises OnnxError."""
    paddle2onnx = _paddle2onnx()
    remarks = io.StringIO()  # on its own formats, and on an error, which it prints and does not raise
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(remarks):
        prefix = Path(directory, "model")
        for suffix, content in ((".pdmodel", program), (".pdiparams", parameters)):
            prefix.with_suffix(suffix).write_bytes(content)
        try:
            # Given a name to save under, it would try an optimisation whose packages PARL excludes.
            content = paddle2onnx.export(
                f"{prefix}.pdmodel", f"{prefix}.pdiparams", None, OPSET, enable_optimize=False
            )
        except Exception as error:
            raise OnnxError(f"paddle2onnx failed: {remarks.getvalue() or error}") from error
    return with_names(content, "probabilities", {"classes": json.dumps(class_names)})
