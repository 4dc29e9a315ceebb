"""Converts an exported model to ONNX by paddle2onnx, an optional extra (requirements/onnx.txt).

check_installed()
content = to_onnx(program, parameters)
"""

import contextlib
import io
import tempfile
from pathlib import Path

OPSET = 13


class OnnxError(Exception):
    """A model that cannot be converted; the text is for the user."""


def check_installed() -> None:
    """Raises OnnxError where paddle2onnx cannot be imported."""
    try:
        import paddle2onnx  # noqa: F401
    except ImportError as error:
        raise OnnxError(
            f"--onnx needs `pip install --no-deps -r requirements/onnx.txt` ({error})"
        ) from error


def to_onnx(program: bytes, parameters: bytes) -> bytes:
    """The content of an .onnx file, from those of a .pdmodel and a .pdiparams file. Raises OnnxError."""
    import paddle2onnx

    remarks = io.StringIO()  # on its own formats, and on an error, which it prints and does not raise
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(remarks):
        prefix = Path(directory, "model")
        for suffix, content in ((".pdmodel", program), (".pdiparams", parameters)):
            prefix.with_suffix(suffix).write_bytes(content)
        try:
            # Given a name to save under, it would try an optimisation whose packages PARL excludes.
            return paddle2onnx.export(
                f"{prefix}.pdmodel", f"{prefix}.pdiparams", None, OPSET, enable_optimize=False
            )
        except Exception as error:
            raise OnnxError(f"paddle2onnx failed: {remarks.getvalue() or error}") from error
