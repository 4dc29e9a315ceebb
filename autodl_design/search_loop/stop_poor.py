"""--stop_poor: a model that is behind the others early in its training is not trained to the end.

hurdles = hurdles_of(models, step, ChildSettings())

A training is evaluated on the validation images after a quarter and after half of its epochs. If its
accuracy there is below the median of those that models of earlier steps had there, it is stopped (as by the
median stopping rule of Golovin et al. 2017, "Google Vizier"). Its reward is then that of the accuracy that
it had there plus the median of what those of these models that were trained to the end gained from there
on. No model is stopped where fewer than FIRST models of earlier steps have been evaluated.

Models of earlier steps are all done when a step begins, and the history holds their accuracies. So the
results depend neither on the number of trainers nor on when the search was interrupted.
"""

from collections.abc import Iterable
from statistics import median

from autodl_design.record.history import ModelRecord
from autodl_design.search_space.child import ChildSettings
from autodl_design.trainers.job import Hurdle

FIRST = 20


def hurdles_of(models: Iterable[ModelRecord], step: int, config: ChildSettings) -> tuple[Hurdle, ...]:
    """For the models of a step: none in the first steps, and none where a training has one evaluation."""
    earlier = [model for model in models if model.step < step and (model.trained or model.stopped)]
    hurdles = []
    for epoch in config.measured_epochs[:-1]:
        there, gains = [], []
        for model in earlier:
            for point in model.curve or ():
                if point.epoch == epoch:
                    there.append(point.accuracy)
                    if model.trained and model.accuracy is not None:
                        gains.append(model.accuracy - point.accuracy)
        if len(there) >= FIRST and gains:
            hurdles.append(Hurdle(epoch, median(there), median(gains)))
    return tuple(hurdles)
