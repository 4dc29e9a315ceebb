"""Draws what a model takes for what: draw_confusion(counts, class_names), counts int [K, K]."""

import numpy as np

from autodl_design.pictures.figures import Figure, new_figure, own_style

MOST_NUMBERS = 20  # classes whose counts are written, too
MOST_NAMES = 50  # classes that are named


@own_style
def draw_confusion(counts: np.ndarray, class_names: tuple[str, ...]) -> Figure:
    """A row is a class of images, a column what the model takes them for; colours are shares of the row."""
    num_classes = len(class_names)
    side = min(max(4.0, 1.5 + 0.45 * num_classes), 16.0)
    figure = new_figure(side + 1, side)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the class's images")
    if num_classes <= MOST_NAMES:
        axes.set_xticks(range(num_classes), class_names, rotation=90)
        axes.set_yticks(range(num_classes), class_names)
    if num_classes <= MOST_NUMBERS:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("class")
    axes.set_title(f"Accuracy {counts.trace() / counts.sum():.3f} on {counts.sum():,} images")
    return figure
