"""Classify pictures with a model that retrain.py wrote.

    python predict.py --model=retrained PICTURE...

Pictures of any size and format that Pillow reads are scaled to 32x32. Prints each one's three likeliest
classes.
"""

import sys
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image, UnidentifiedImageError

FLAGS = flags.FLAGS


class PredictError(Exception):
    """A model or a picture that cannot be read; the text is for the user."""


def load_picture(path: str) -> np.ndarray:
    """float32 [3, 32, 32] in 0 .. 255."""
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB").resize((32, 32), Image.Resampling.BOX))
    except UnidentifiedImageError as error:
        raise PredictError(f"{path} is no picture that can be read") from error
    except OSError as error:
        raise PredictError(f"{path}: {error.strerror or error}") from error
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:  # from damaged pictures
        raise PredictError(f"{path}: {error}") from error
    return pixels.transpose(2, 0, 1).astype(np.float32)


def load_model(directory: Path):
    """A function from pictures, float32 [B, 3, 32, 32] in 0 .. 255, to probabilities [B, 10]. Raises
    PredictError where the model is damaged."""
    from backend.paddle_backend import paddle  # takes seconds, which a wrong command line need not wait for

    config = paddle.inference.Config(str(directory / "model.pdmodel"), str(directory / "model.pdiparams"))
    config.disable_glog_info()
    try:
        predictor = paddle.inference.create_predictor(config)
    except (RuntimeError, ValueError) as error:
        raise PredictError(f"{directory}: the model is damaged; let retrain.py write it anew") from error
    input_handle = predictor.get_input_handle(predictor.get_input_names()[0])
    output_handle = predictor.get_output_handle(predictor.get_output_names()[0])

    def predict(pictures: np.ndarray) -> np.ndarray:
        input_handle.copy_from_cpu(pictures)
        predictor.run()
        return output_handle.copy_to_cpu()

    return predict


def main(argv: list[str]) -> None:
    if len(argv) < 2:
        raise app.UsageError("name pictures to classify")
    directory = Path(FLAGS.model)
    try:
        for name in ("model.pdmodel", "model.pdiparams", "classes.txt"):
            if not (directory / name).exists():
                raise PredictError(f"{directory / name} is missing: --model names an output of retrain.py")
        classes = (directory / "classes.txt").read_text(encoding="utf-8").splitlines()
        pictures = np.stack([load_picture(path) for path in argv[1:]])
        predict = load_model(directory)
    except PredictError as error:
        sys.exit(f"predict.py: {error}")
    for path, probabilities in zip(argv[1:], predict(pictures), strict=True):
        best = np.argsort(-probabilities)[:3]
        print(f"{path}: " + ", ".join(f"{classes[k]} {probabilities[k]:.2f}" for k in best))


if __name__ == "__main__":
    flags.DEFINE_string("model", "retrained", "Directory of the model.")
    app.run(main)
