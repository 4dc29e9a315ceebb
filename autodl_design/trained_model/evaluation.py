"""How well a model classifies labelled images: in all, each class, and what it takes for what.

evaluation = Evaluation.of(("cat", "dog"), labels, predicted)
print("\\n".join(evaluation.lines()))
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from autodl_design.checked_io.messages import printable

MOST_CLASSES = 20  # whose matrix fits on a screen
WIDEST_NAME = 16  # characters


@dataclasses.dataclass(frozen=True)
class Evaluation:
    class_names: tuple[str, ...]
    counts: np.ndarray  # int64 [K, K]: images of the class of the row, taken for that of the column

    @classmethod
    def of(
        cls, class_names: tuple[str, ...], labels: Sequence[int], predicted: Sequence[int]
    ) -> "Evaluation":
        counts = np.zeros((len(class_names), len(class_names)), np.int64)
        np.add.at(counts, (np.asarray(labels, np.int64), np.asarray(predicted, np.int64)), 1)
        return cls(class_names, counts)

    @property
    def num_images(self) -> int:
        return int(self.counts.sum())

    @property
    def sizes(self) -> np.ndarray:
        """Images of each class, int64 [K]."""
        return self.counts.sum(axis=1)

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(self.counts.trace() / self.num_images)

    @property
    def error(self) -> float:
        """The standard error of the accuracy, sqrt(p (1 - p) / n)."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.num_images)

    @property
    def by_class(self) -> np.ndarray:
        """Share of right answers of each class, float64 [K]; NaN where a class has no images."""
        return np.where(self.sizes > 0, self.counts.diagonal() / np.maximum(self.sizes, 1), np.nan)

    def lines(self, matrix: bool = True) -> Iterator[str]:
        """Text for the user; matrix: with what is taken for what, where there are few classes."""
        largest = int(self.sizes.argmax())
        share = self.sizes[largest] / self.num_images
        yield (
            f"accuracy {self.accuracy:.3f} +- {self.error:.3f} on {self.num_images:,} images; saying "
            f"always {printable(self.class_names[largest])}, the largest class, would give {share:.3f}"
        )
        present = np.flatnonzero(self.sizes)
        if len(set(self.sizes[present])) > 1:
            yield f"balanced accuracy, the mean over the classes: {self.by_class[present].mean():.3f}"
        order = present if len(present) <= MOST_CLASSES else present[np.argsort(self.by_class[present])]
        shown = ", ".join(
            f"{printable(self.class_names[k])} {self.by_class[k]:.2f} of {self.sizes[k]:,}"
            for k in order[:MOST_CLASSES]
        )
        which = "of each class" if len(present) <= MOST_CLASSES else f"of the {MOST_CLASSES} worst classes"
        yield f"accuracy {which}: {shown}"
        if matrix and len(self.class_names) <= MOST_CLASSES:
            yield from self._matrix()

    def _matrix(self) -> Iterator[str]:
        names = [printable(name)[:WIDEST_NAME] for name in self.class_names]
        width = max(map(len, names))
        columns = [max(len(name), len(str(self.counts.max()))) for name in names]
        yield "images of the class on the left, taken for the class above:"
        yield "  ".join([" " * width, *(name.rjust(w) for name, w in zip(names, columns, strict=True))])
        for name, row in zip(names, self.counts, strict=True):
            yield "  ".join(
                [name.ljust(width), *(str(n).rjust(w) for n, w in zip(row, columns, strict=True))]
            )
