"""Training and evaluating one child network in Paddle.

    result = train_child(architecture, subset, ChildSettings(), seed=0)

The network is a static program (autodl_design/child_network/ builds it, autodl_design/backend/programs.py
says how programs run). Whatever is random about a model (initial weights, batch order, crops, flips,
dropout) is drawn from one NumPy generator on the host and fed to the program, so a model's result depends
on its seed alone.
"""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.program_passes import speed_up
from autodl_design.backend.programs import (
    count_parameters,
    get_variable,
    new_executor,
    new_scope,
    no_call_stacks,
    on_gpu,
    one_layout,
    set_variables,
    static_programs,
)
from autodl_design.child_network.augmentation import (
    augmented_rows,
    pack_batch,
    pixel_table,
    standardise,
    unpack_batch,
)
from autodl_design.child_network.cpu_layers import layers_for
from autodl_design.child_network.layers import F, Layers, Variable, static
from autodl_design.child_network.network import build_network, draw_parameters
from autodl_design.image_data.subset import Subset
from autodl_design.search_space.child import MAX_PARAMETERS, ChildSettings, check_fit
from autodl_design.search_space.reference import Design
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.job import CurvePoint, Diverged, Hurdle, Job, OnEpoch, TrainResult

EVALUATION_BATCH = 25  # with 100, evaluation takes half as much memory again as a training update


def learning_rate(config: ChildSettings, epoch: float) -> float:
    """Learning rate after `epoch` epochs (fractions allowed): linear from lr_max / 10 to lr_max during
    the warm-up, then a cosine from lr_max to lr_min that ends at epoch T_0 and starts over there
    (SGDR, Loshchilov & Hutter 2017, eq. 5)."""
    T_0, warmup = config.schedule
    if epoch < warmup:
        return config.lr_max * (0.1 + 0.9 * epoch / warmup)
    period = T_0 - warmup
    phase = math.pi * (((epoch - warmup) % period) / period)
    return config.lr_min + (config.lr_max - config.lr_min) * (1 + math.cos(phase)) / 2


def accuracy_of(predicted: np.ndarray, labels: np.ndarray) -> float:
    """The share of right answers. Where classes differ in size it is the mean of their shares (balanced
    accuracy), so that a large one counts no more than a small one."""
    right = predicted == labels
    counts = np.bincount(labels)
    if len(set(counts[counts > 0].tolist())) <= 1:
        return int(right.sum()) / len(labels)
    right_by_class = np.bincount(labels, weights=right)
    return float((right_by_class[counts > 0] / counts[counts > 0]).mean())


def _in_its_scope(method: Callable) -> Callable:
    """The method with the variables of its own network, even where another one is open."""

    @functools.wraps(method)
    def in_its_scope(self, *arguments):
        with static.scope_guard(self.scope):
            return method(self, *arguments)

    return in_its_scope


class ChildTraining:
    """Trains one child network, epoch by epoch; use it in a `with` statement.

    design: an architecture, or a reference written by hand.
    rng: all that is random is drawn from it.
    Raises ValueError where config and images do not fit each other (see `check_fit`), the network has more
    than MAX_PARAMETERS, or config.amp finds no GPU.
    """

    def __init__(
        self,
        design: Design,
        config: ChildSettings,
        subset: Subset,
        rng: np.random.Generator,
    ):
        self.design = design
        check_fit(config, len(subset.train_images), subset.image_size)
        self.config = config
        self.images, self.labels = subset.train_images, subset.train_labels
        self.size, self.num_classes = subset.image_size, subset.num_classes
        self.mirror = config.random_flip_left_right and subset.mirror
        self.rng = rng
        self.batch_size = config.train_batch_size
        self.steps = len(self.images) // self.batch_size  # an epoch leaves out the incomplete last batch

    def __enter__(self) -> "ChildTraining":
        if self.config.amp and not on_gpu():
            raise ValueError("amp, mixed precision, needs a GPU")
        with contextlib.ExitStack() as stack:
            stack.enter_context(static_programs())
            stack.enter_context(one_layout(layers_for(self.config, training=True).data_format))
            self.scope = stack.enter_context(new_scope())
            self.executor = new_executor()
            stack.callback(self.executor.close)
            table = pixel_table(standardise(self.images))
            with no_call_stacks():
                self._build_training(len(table))
                self._build_evaluation()
            set_variables(draw_parameters(self.program, self.rng))
            set_variables({"pixel_table": table})
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exception) -> None:
        # Most of a child's memory is theirs, and goes with the scope only where nothing holds them.
        del self.executor, self.program, self.schedule, self.evaluation, self.evaluation_fetches
        del self.scope
        self.stack.close()

    def _logits(self, layers: Layers, images: Variable, dropout_mask: Variable | None = None) -> Variable:
        return build_network(layers, images, self.design, self.num_classes, self.config, dropout_mask)

    def _build_training(self, num_rows: int) -> None:
        """The program of one update. It is fed a `batch`, as `pack_batch` makes it, and adds to the
        persistable `loss_sum` and `correct_sum`, so that nothing has to be read back from the device after
        an update."""
        self.program, startup = static.Program(), static.Program()
        with static.program_guard(self.program, startup), paddle.utils.unique_name.guard():
            table = static.create_global_var([num_rows, 3], 0, "float32", True, name="pixel_table")
            batch = static.data("batch", [-1, self.size**2 + 1 + self.config.features], "int32")
            rows, labels, mask = unpack_batch(batch, self.config)

            pixels = paddle.gather(table, paddle.reshape(rows, [-1]))  # [B * S * S, 3]
            pixels = paddle.reshape(pixels, [-1, self.size, self.size, 3])
            layers = layers_for(self.config, training=True)
            logits = self._logits(layers, layers.images(pixels), mask)
            loss = F.cross_entropy(logits, labels)
            correct = static.accuracy(F.softmax(logits), labels)
            for name, value in {"loss_sum": loss, "correct_sum": correct}.items():
                total = static.create_global_var([1], 0, "float32", True, name=name)
                paddle.assign(total + paddle.reshape(value, [1]), total)

            self.num_params, self.macs = count_parameters(self.program), layers.macs
            if self.num_params > MAX_PARAMETERS:
                raise SettingsError(
                    f"the network would have {self.num_params:,} parameters, more than {MAX_PARAMETERS:,}: "
                    "choose a smaller width, num_cells or num_stages"
                )
            self.schedule = paddle.optimizer.lr.LambdaDecay(
                1.0, lambda step: learning_rate(self.config, step / self.steps)
            )
            decay = paddle.regularizer.L2Decay(self.config.weight_decay)
            optimizer = paddle.optimizer.Momentum(
                self.schedule,
                self.config.momentum,
                use_nesterov=True,
                weight_decay=decay,
                # One operator for all parameters, which spares their scheduling. With Nesterov momentum
                # and L2 regularisation it still launches a kernel for each on GPUs.
                use_multi_tensor=True,
            )
            if self.config.amp:  # with dynamic loss scaling; weights stay float32
                # Sums too, which are in none of Paddle's lists: in float32 they and each BN and ReLU after
                # them would be, between two casts.
                lists = static.amp.CustomOpLists(custom_white_list={"sum"})
                optimizer = static.amp.decorate(optimizer, lists, level="O1", dtype="float16")
            optimizer.minimize(loss)
        speed_up(self.program)
        self.executor.run(startup)

    def _build_evaluation(self) -> None:
        self.evaluation = static.Program()
        with static.program_guard(self.evaluation, static.Program()), paddle.utils.unique_name.guard():
            pixels = static.data("pixels", [-1, self.size, self.size, 3])
            labels = static.data("labels", [-1, 1], "int64")
            layers = layers_for(self.config, training=False)
            logits = self._logits(layers, layers.images(pixels))
            loss = F.cross_entropy(logits, labels, reduction="none")
        speed_up(self.evaluation)
        self.evaluation_fetches = [logits, loss]

    @_in_its_scope
    def train_epoch(self) -> tuple[float, float]:
        """Training loss and accuracy, both means over the epoch's batches."""
        set_variables({name: np.zeros(1, np.float32) for name in ("loss_sum", "correct_sum")})
        order = self.rng.permutation(len(self.images))[: self.steps * self.batch_size]
        for batch in order.reshape(self.steps, self.batch_size):
            rows = augmented_rows(batch, self.size, self.mirror, self.rng)
            kept = self.rng.random((len(batch), self.config.features)) >= self.config.dropout_rate
            feed = {"batch": pack_batch(rows, self.labels[batch], kept)}
            self.executor.run(self.program, feed)
            self.schedule.step()
        return tuple(get_variable(name).item() / self.steps for name in ("loss_sum", "correct_sum"))

    @_in_its_scope
    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Accuracy (see `accuracy_of`) and mean loss on images uint8 [n, 3 * S * S] with labels [n]."""
        predicted, total_loss = np.zeros_like(labels), 0.0
        for i in range(0, len(images), EVALUATION_BATCH):
            part = slice(i, i + EVALUATION_BATCH)
            pixels = standardise(images[part]).transpose(0, 2, 3, 1)
            feed = {"pixels": np.ascontiguousarray(pixels), "labels": labels[part, None]}
            logits, losses = self.executor.run(self.evaluation, feed, self.evaluation_fetches)
            predicted[part] = logits.argmax(axis=1)
            total_loss += float(losses.sum(dtype=np.float64))
        return accuracy_of(predicted, labels), total_loss / len(images)

    @_in_its_scope
    def state(self) -> dict[str, np.ndarray]:
        """Parameters, moving statistics, momentum: all that training changes, except `rng`."""
        names = [v.name for v in self.program.list_vars() if v.persistable and v.name != "pixel_table"]
        return {name: get_variable(name) for name in names}

    @_in_its_scope
    def load_state(self, state: dict[str, np.ndarray], epochs: int) -> None:
        """Go on from the `state` after `epochs` epochs."""
        set_variables(state)
        self.schedule.step(epochs * self.steps)

    @_in_its_scope
    def weights(self) -> dict[str, np.ndarray]:
        """Parameters and moving statistics: what makes the trained network."""
        return {parameter.name: get_variable(parameter.name) for parameter in self.program.all_parameters()}


def train_child(
    design: Design,
    subset: Subset,
    config: ChildSettings,
    seed: int | Sequence[int],
    on_epoch: OnEpoch | None = None,
    hurdle_failed: Callable[[int, float], Hurdle | None] = lambda epoch, accuracy: None,
) -> TrainResult:
    """Train one network from scratch and evaluate it on the validation images, at the end and at the other
    `config.measured_epochs`. Evaluations do not change what is trained.

    seed: an int or a sequence of ints, as numpy.random.default_rng takes it.
    on_epoch: called after every epoch with its number (from 1) and the training loss and accuracy,
        both means over the epoch's batches.
    hurdle_failed: called after every evaluation with the epoch and the accuracy; training ends where it
        returns a hurdle.

    Raises ValueError where config and subset do not fit each other, Diverged where the loss is no longer
    finite.
    """
    start = time.perf_counter()
    rng = np.random.default_rng(seed)
    curve: list[CurvePoint] = []
    with ChildTraining(design, config, subset, rng) as trainer:
        for epoch in range(1, config.epochs + 1):
            train_loss, train_accuracy = trainer.train_epoch()
            if on_epoch:
                on_epoch(epoch, train_loss, train_accuracy)
            if not math.isfinite(train_loss):
                raise Diverged
            if epoch in config.measured_epochs:
                accuracy, loss = trainer.evaluate(subset.validation_images, subset.validation_labels)
                validation_loss = loss if math.isfinite(loss) else None
                curve.append(CurvePoint(epoch, train_loss, validation_loss, accuracy))
                if stopped := hurdle_failed(epoch, accuracy):
                    break

    if validation_loss is None:
        raise Diverged
    return TrainResult(
        accuracy=accuracy,
        validation_loss=validation_loss,
        train_loss=train_loss,
        num_params=trainer.num_params,
        macs=trainer.macs,
        curve=tuple(curve),
        stopped=stopped,
        seconds=time.perf_counter() - start,
    )


@dataclasses.dataclass(frozen=True)
class TrainJob:
    """What a trainer calls for each job. All that is random about a model follows from (seed, mid, run), so
    its result depends neither on the number of trainers nor on the order in which they finish."""

    subset: Subset
    config: ChildSettings
    seed: int

    def __call__(self, job: Job, on_epoch: OnEpoch) -> TrainResult:
        seed = [self.seed, job.mid, job.run]
        return train_child(job.architecture, self.subset, self.config, seed, on_epoch, job.failed_hurdle)
