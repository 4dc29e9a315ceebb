"""Accuracy, accuracy of each class and the matrix, of numbers that one can count."""

import numpy as np
import pytest

from autodl_design.pictures.confusion_picture import draw_confusion
from autodl_design.pictures.figures import png
from autodl_design.trained_model.evaluation import Evaluation

#                 cat cat cat cat dog dog fox
LABELS, PREDICTED = [0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 0, 2]


def test_counts_and_shares():
    evaluation = Evaluation.of(("cat", "dog", "fox", "owl"), LABELS, PREDICTED)
    assert evaluation.counts.tolist() == [[3, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert evaluation.accuracy == pytest.approx(5 / 7)
    assert evaluation.error == pytest.approx((5 / 7 * 2 / 7 / 7) ** 0.5)
    assert evaluation.by_class[:3].tolist() == [0.75, 0.5, 1.0] and np.isnan(evaluation.by_class[3])


def test_text():
    assert list(Evaluation.of(("cat", "dog", "fox", "owl"), LABELS, PREDICTED).lines()) == [
        "accuracy 0.714 +- 0.171 on 7 images; saying always cat, the largest class, would give 0.571",
        "balanced accuracy, the mean over the classes: 0.750",
        "accuracy of each class: cat 0.75 of 4, dog 0.50 of 2, fox 1.00 of 1",
        "images of the class on the left, taken for the class above:",
        "     cat  dog  fox  owl",
        "cat    3    1    0    0",
        "dog    1    1    0    0",
        "fox    0    0    1    0",
        "owl    0    0    0    0",
    ]


def test_many_classes_are_shown_by_the_worst_ones():
    labels = np.arange(1000)
    predicted = np.where(labels % 50, labels, 0)
    names = tuple(f"class {k}\x1b" for k in labels)
    lines = list(Evaluation.of(names, labels, predicted).lines())
    assert len(lines) == 2 and all(line.isprintable() for line in lines)
    assert lines[1].startswith("accuracy of the 20 worst classes: class 50\\x1b 0.00 of 1, ")


@pytest.mark.parametrize("num_classes", [2, 30, 200])
def test_a_picture_of_any_number_of_classes(num_classes):
    counts = np.diag(np.arange(num_classes))
    content = png(draw_confusion(counts, tuple(f"class $_{k}" for k in range(num_classes))))
    assert content.startswith(b"\x89PNG")
