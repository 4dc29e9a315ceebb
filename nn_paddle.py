"""The child network in Paddle: build, train and evaluate one architecture.

    result = train_child(architecture, subset, ChildConfig(), seed=0)

OPERATIONS says what each operation of the search space is. The network is a static program (see
autodl_design/backend/programs.py). Whatever is random about a model (initial weights, batch order, crops,
flips, dropout) is drawn from one NumPy generator on the host and fed to the program, so a model's result
depends on its seed alone.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

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
    set_variables,
    static_programs,
)
from autodl_design.image_data.batch import image_size
from autodl_design.image_data.subset import Subset
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import OPERATION_NAMES, Cell
from autodl_design.search_space.child import ChildConfig, TrainResult, check_fit, crop_padding
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.job import Job

F = paddle.nn.functional
static = paddle.static
new_name = paddle.utils.unique_name.generate

MAX_PARAMETERS = 200_000_000  # a network of the default size has about a million
EVALUATION_BATCH = 25  # with 100, evaluation takes half as much memory again as a training update

Variable = Any  # a variable of a static program; Paddle's class for it has no public name
Initial = Callable[[np.random.Generator, Sequence[int]], np.ndarray]  # (rng, shape) -> initial values


# An operation maps x of C channels to C channels at stride 1 and, in a reduction cell's source nodes,
# to 2C channels of half the size at stride 2. Nothing normalises between the parts of one. In training,
# pooling takes a form that is faster to differentiate; elsewhere it is Paddle's own operator, so that
# converters of exported models know it.
# Convolutions carry no bias: the original's feed only sums, concatenations and 1x1 convolutions that
# end in a BN, which takes a constant per channel away again (bar the border pixels of a pair).


def _conv(kernel: int, dilation: int = 1) -> Callable:
    def operation(x: Variable, stride: int, training: bool) -> Variable:
        dilated = dilation if stride == 1 else 1
        return conv2d(x, stride * x.shape[1], (kernel, kernel), (stride, stride), dilated)

    return operation


def _conv_pair(kernel: int) -> Callable:
    def operation(x: Variable, stride: int, training: bool) -> Variable:
        channels = x.shape[1]
        x = conv2d(x, channels, (1, kernel), (1, stride))
        x = conv2d(x, channels, (kernel, 1), (stride, 1))
        return conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


def _max_pool(kernel: int) -> Callable:
    def operation(x: Variable, stride: int, training: bool) -> Variable:
        channels = x.shape[1]
        padding = same_padding(x, (kernel, kernel), (stride, stride))
        if training and stride == 1:
            # The mask, which Paddle makes for symmetric padding only, spares the backward pass another
            # search for the maxima.
            return F.max_pool2d(x, kernel, stride, padding, return_mask=True)[0]
        x = F.max_pool2d(x, kernel, stride, padding)
        return conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


def _avg_pool(kernel: int) -> Callable:
    def operation(x: Variable, stride: int, training: bool) -> Variable:
        channels = x.shape[1]
        top, bottom, left, right = padding = same_padding(x, (kernel, kernel), (stride, stride))
        if training and not on_gpu():
            # On CPUs an eighth of the time of Paddle's own pooling. A GPU would copy the matrices from the
            # host in every update and round them to TF32's ten bits.
            matrix = averaging_matrix(x.shape[2], kernel, stride)
            x = paddle.mm(_constant(matrix), paddle.mm(x, _constant(matrix.T)))
        elif stride == 1:  # padded pixels are left out of the mean
            x = F.avg_pool2d(x, kernel, stride, padding, exclusive=True)
        else:  # here they count as zeros
            x = F.avg_pool2d(F.pad(x, [left, right, top, bottom]), kernel, stride)
        return conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


def _constant(values: np.ndarray) -> Variable:
    constant = paddle.assign(values)
    constant.stop_gradient = True
    return constant


def averaging_matrix(size: int, kernel: int, stride: int) -> np.ndarray:
    """float32 [size / stride, size]: the matrix A for which A x A^T is the average pooling of an image
    x [size, size]."""
    before, _ = _same_padding_of(size, kernel, stride)
    starts = np.arange(0, size, stride)[:, None] - before
    inside = (np.arange(size) >= starts) & (np.arange(size) < starts + kernel)
    count = inside.sum(axis=1, keepdims=True) if stride == 1 else kernel
    return (inside / count).astype(np.float32)


OPERATIONS: dict[str, Callable[[Variable, int, bool], Variable]] = {
    "conv_1x1": _conv(1),
    "conv_3x3": _conv(3),
    "conv_5x5": _conv(5),
    "dilated_3x3": _conv(3, dilation=2),
    "conv_1x3_3x1": _conv_pair(3),
    "conv_1x5_5x1": _conv_pair(5),
    "maxpool_3x3": _max_pool(3),
    "maxpool_5x5": _max_pool(5),
    "avgpool_3x3": _avg_pool(3),
    "avgpool_5x5": _avg_pool(5),
}
assert tuple(OPERATIONS) == OPERATION_NAMES, "autodl_design/search_space/cells.py names other operations"


# --- The network ------------------------------------------------------------------------------------


def same_padding(
    x: Variable, kernel: tuple[int, int], stride: tuple[int, int], dilation: int = 1
) -> list[int]:
    """TensorFlow's "SAME" padding of x [B, C, H, W] as [top, bottom, left, right]; the smaller half
    goes to the top and to the left."""
    padding: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        padding += _same_padding_of(size, (k - 1) * dilation + 1, s)
    return padding


def _same_padding_of(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2


def conv2d(
    x: Variable,
    channels: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: int = 1,
) -> Variable:
    """Convolution of x [B, C, H, W] to `channels` with "same" padding and no bias."""
    shape = [channels, x.shape[1], *kernel]
    weight = _parameter(new_name("weight"), shape, _he_normal(fan_in=math.prod(shape[1:])))
    padding = same_padding(x, kernel, stride, dilation)
    return F.conv2d(x, weight, None, list(stride), padding, dilation)


def bn_relu(
    x: Variable, config: ChildConfig, training: bool, initial_shift: float | None = None
) -> Variable:
    """initial_shift: by default config.bn_shift."""
    initial_shift = config.bn_shift if initial_shift is None else initial_shift
    name = new_name("bn")
    shape = [x.shape[1]]
    scale = _parameter(f"{name}.scale", shape, _filled(1.0))
    shift = _parameter(f"{name}.shift", shape, _filled(initial_shift))
    mean = _parameter(f"{name}.mean", shape, _filled(0.0), trainable=False)
    variance = _parameter(f"{name}.variance", shape, _filled(1.0), trainable=False)
    x = F.batch_norm(x, mean, variance, scale, shift, training, config.bn_decay, epsilon=1e-3)
    if not training:
        return F.relu(x)
    # In place, which F.relu does not do in a program: no gradient needs what the BN put out.
    block = static.default_main_program().global_block()
    block.append_op(type="relu", inputs={"X": x}, outputs={"Out": x})
    return x


def _filled(value: float) -> Initial:
    return lambda rng, shape: np.full(shape, value)


def _he_normal(fan_in: int) -> Initial:
    """Normal, truncated at two standard deviations, of std sqrt(2 / fan-in) (He et al. 2015, eq. 10)."""
    return lambda rng, shape: math.sqrt(2 / fan_in) * _truncated_normal(rng, shape)


def _truncated_normal(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Standard normal values, those beyond 2 drawn again."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(outside.sum())
    return values


def _parameter(name: str, shape: Sequence[int], initial: Initial, trainable: bool = True) -> Variable:
    """Without an operator that initialises it: `draw_parameters` draws its `initial` values, and Paddle's
    own layers look through all initialisers for each new one, half the time of building a network."""
    block = static.default_main_program().global_block()
    parameter = block.create_parameter(name=name, shape=list(shape), dtype="float32", trainable=trainable)
    parameter.stop_gradient = not trainable
    parameter.initial = initial
    return parameter


@functools.lru_cache(maxsize=2)  # the two cells of an architecture occur many times each
def share_summands(
    sums: tuple[tuple[int, ...], ...],
) -> tuple[list[list[int]], dict[int, tuple[int, int]]]:
    """The same sums with fewer additions, and the pairs of terms that their further terms stand for:
    ((), (0,), (0, 1), (0, 1, 2)) -> [[], [0], [4], [2, 4]] and {4: (0, 1)}.

    As long as two sums have two terms in common, the pair that most have becomes a term of its own, with
    the next number from len(sums) on.
    """
    rest = [set(terms) for terms in sums]
    pairs: dict[int, tuple[int, int]] = {}
    while True:
        count = collections.Counter(
            pair for terms in rest for pair in itertools.combinations(sorted(terms), 2)
        )
        pair, most = max(count.items(), key=lambda item: item[1], default=(None, 0))
        if most < 2:
            return [sorted(terms) for terms in rest], pairs
        new = len(sums) + len(pairs)
        pairs[new] = pair
        for terms in rest:
            if terms.issuperset(pair):
                terms -= set(pair)
                terms.add(new)


def build_cell(x: Variable, cell: Cell, stride: int, config: ChildConfig, training: bool):
    """x [B, F, H, W] -> [B, F, H, W] for the normal cell (stride 1), [B, 2F, H/2, W/2] for the
    reduction cell (stride 2)."""
    channels = x.shape[1]
    # Shared summands save a third of all additions, gradients' included: 1.03 times the images a second at
    # the default size. A GPU adds up all inputs of a node in one kernel, and would have more of them.
    sums, pairs = (cell.inputs, {}) if on_gpu() else share_summands(cell.inputs)
    outputs: dict[int, Variable] = {}

    def add(terms: Sequence[int]) -> Variable:
        for term in terms:
            if term not in outputs:
                outputs[term] = add(pairs[term])
        return paddle.add_n([outputs[term] for term in terms]) if len(terms) > 1 else outputs[terms[0]]

    for index, (name, terms) in enumerate(zip(cell.operations, sums, strict=True)):
        if terms:
            node = OPERATIONS[name](bn_relu(add(terms), config, training), 1, training)
        else:
            source = conv2d(bn_relu(x, config, training), channels // config.ratio, (1, 1))
            node = OPERATIONS[name](bn_relu(source, config, training), stride, training)
        outputs[index] = node
    leaves = paddle.concat([outputs[i] for i in cell.leaves], axis=1)
    return conv2d(leaves, stride * channels, (1, 1))


def build_network(
    images: Variable,
    cells: tuple[Cell, Cell],
    num_classes: int,
    config: ChildConfig,
    training: bool,
    dropout_mask: Variable | None = None,
) -> Variable:
    """Logits [B, num_classes] of images [B, 3, H, W], within the current program.

    Parameters are named in the order of construction: weight_0, weight_1, ... (rank >= 2),
    bn_0.scale, bn_0.shift, bn_0.mean, bn_0.variance, bn_1.scale, ...; the final bias is bias_0.
    dropout_mask: [B, C], what the pooled features are multiplied by in training.
    """
    normal, reduction = cells
    x = conv2d(images, config.width, (3, 3))
    for stage in range(config.num_stages):
        for index in range(config.num_cells):
            if stage > 0 and index == 0:
                x = build_cell(x, reduction, 2, config, training)
            else:
                x = build_cell(x, normal, 1, config, training)
    x = bn_relu(x, config, training, initial_shift=0.0)
    features = paddle.flatten(F.adaptive_avg_pool2d(x, 1), 1)
    if dropout_mask is not None:
        features = features * dropout_mask
    num_features = features.shape[1]
    weight = _parameter(new_name("weight"), [num_features, num_classes], _he_normal(fan_in=num_features))
    bias = _parameter(new_name("bias"), [num_classes], _filled(0.0))
    return F.linear(features, weight, bias)


def draw_parameters(program: static.Program, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Initial values, by name, of every parameter of a network built by `build_network`.

    Weights: see `_he_normal`. BN: scales 1, shifts `config.bn_shift`, except the last one's, which is 0.
    Bias: 0.

    A positive shift keeps most of ReLU's inputs positive, so the untrained network is nearly linear.
    With shifts of 0 the 50 and more BN-ReLU layers of a dense network take a small change of an image
    to an unrelated output (and blow up gradients alike; Yang et al. 2019, "A mean field theory of batch
    normalization"), and 20 epochs on 900 images then teach it next to nothing.
    """
    return {
        parameter.name: parameter.initial(rng, parameter.shape).astype(np.float32)
        for parameter in program.all_parameters()
    }


# --- Training and evaluation ------------------------------------------------------------------------


def standardise(images: np.ndarray) -> np.ndarray:
    """uint8 [n, 3 * S * S] -> float32 [n, 3, S, S]: each image minus its mean, divided by
    max(its standard deviation, 1/sqrt(3 * S * S)); the floor keeps a flat image finite."""
    x = images.astype(np.float32)
    std = np.maximum(x.std(axis=1, keepdims=True), 1 / math.sqrt(x.shape[1]))
    x = (x - x.mean(axis=1, keepdims=True)) / std
    return x.reshape(-1, 3, *2 * (image_size(x.shape[1]),))


def pixel_table(images: np.ndarray) -> np.ndarray:
    """float32 [n, 3, S, S] -> [n * P * P, 3]: the pixels of the images, padded by zeros to P x P pixels,
    one a row, so that a crop or a flip is a choice of rows."""
    n, _, size, _ = images.shape
    padding = crop_padding(size)
    table = np.zeros([n, size + 2 * padding, size + 2 * padding, 3], np.float32)
    table[:, padding : padding + size, padding : padding + size] = images.transpose(0, 2, 3, 1)
    return table.reshape(-1, 3)


def augmented_rows(
    image_indices: np.ndarray, size: int, random_flip: bool, rng: np.random.Generator
) -> np.ndarray:
    """Rows of the pixel table, int64 [n, size * size], of a random crop of each padded image to the size
    that it had before, flipped left to right with probability 1/2 if `random_flip`."""
    padding = crop_padding(size)
    padded = size + 2 * padding
    n = len(image_indices)
    top, left = rng.integers(0, 2 * padding + 1, size=(2, n, 1))
    line = np.arange(size)
    y, x = top + line, left + line
    if random_flip:
        flipped = rng.random((n, 1)) < 0.5
        x = np.where(flipped, x[:, ::-1], x)
    rows = image_indices[:, None, None] * padded**2 + y[:, :, None] * padded + x[:, None, :]
    return rows.reshape(n, -1)


def learning_rate(config: ChildConfig, epoch: float) -> float:
    """Learning rate after `epoch` epochs (fractions allowed): linear from lr_max / 10 to lr_max during
    `warmup`, then a cosine from lr_max to lr_min that ends at epoch T_0 and starts over there
    (SGDR, Loshchilov & Hutter 2017, eq. 5)."""
    if epoch < config.warmup:
        return config.lr_max * (0.1 + 0.9 * epoch / config.warmup)
    period = config.T_0 - config.warmup
    phase = math.pi * (((epoch - config.warmup) % period) / period)
    return config.lr_min + (config.lr_max - config.lr_min) * (1 + math.cos(phase)) / 2


def pack_batch(rows: np.ndarray, labels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """All that an update is fed in one array, since a GPU waits for each: int32 [B, S * S + 1 + C].

    rows: [B, S * S], of the pixel table. labels: [B]. kept: bool [B, C], False where dropout takes the
    feature away.
    """
    return np.concatenate([rows, labels[:, None], kept], axis=1, dtype=np.int32, casting="unsafe")


def unpack_batch(batch: Variable, config: ChildConfig) -> tuple[Variable, Variable, Variable]:
    """What `pack_batch` packed, within a program: rows int32 [B, S * S], labels int64 [B, 1] and the
    dropout mask [B, C], which is 0 or 1 / (1 - dropout_rate)."""
    num_pixels = batch.shape[1] - 1 - config.features
    rows, labels, kept = paddle.split(batch, [num_pixels, 1, config.features], axis=1)
    mask = paddle.cast(kept, "float32") / (1 - config.dropout_rate)
    return rows, paddle.cast(labels, "int64"), mask


class ChildTrainer:
    """Trains one child network, epoch by epoch; use it in a `with` statement.

    rng: all that is random is drawn from it.
    Raises ValueError where config and images do not fit each other (see `check_fit`), the network has more
    than MAX_PARAMETERS, or config.amp finds no GPU.
    """

    def __init__(
        self,
        architecture: Architecture,
        config: ChildConfig,
        subset: Subset,
        rng: np.random.Generator,
    ):
        self.cells = architecture.cells()
        check_fit(config, len(subset.train_images), subset.image_size)
        self.config = config
        self.images, self.labels = subset.train_images, subset.train_labels
        self.size, self.num_classes = subset.image_size, subset.num_classes
        self.rng = rng
        self.batch_size = config.train_batch_size
        self.steps = len(self.images) // self.batch_size  # an epoch leaves out the incomplete last batch

    def __enter__(self) -> "ChildTrainer":
        if self.config.amp and not on_gpu():
            raise ValueError("amp, mixed precision, needs a GPU")
        with contextlib.ExitStack() as stack:
            stack.enter_context(static_programs())
            stack.enter_context(new_scope())
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
        self.stack.close()

    def _logits(self, images: Variable, training: bool, dropout_mask: Variable | None = None) -> Variable:
        return build_network(images, self.cells, self.num_classes, self.config, training, dropout_mask)

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
            images = paddle.transpose(pixels, [0, 3, 1, 2])
            logits = self._logits(images, True, mask)
            loss = F.cross_entropy(logits, labels)
            correct = static.accuracy(F.softmax(logits), labels)
            for name, value in {"loss_sum": loss, "correct_sum": correct}.items():
                total = static.create_global_var([1], 0, "float32", True, name=name)
                paddle.assign(total + paddle.reshape(value, [1]), total)

            self.num_params = count_parameters(self.program)
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
            images = static.data("images", [-1, 3, self.size, self.size])
            labels = static.data("labels", [-1, 1], "int64")
            logits = self._logits(images, training=False)
            loss = F.cross_entropy(logits, labels, reduction="none")
        speed_up(self.evaluation)
        self.evaluation_fetches = [logits, loss]

    def train_epoch(self) -> tuple[float, float]:
        """Training loss and accuracy, both means over the epoch's batches."""
        set_variables({name: np.zeros(1, np.float32) for name in ("loss_sum", "correct_sum")})
        order = self.rng.permutation(len(self.images))[: self.steps * self.batch_size]
        for batch in order.reshape(self.steps, self.batch_size):
            rows = augmented_rows(batch, self.size, self.config.random_flip_left_right, self.rng)
            kept = self.rng.random((len(batch), self.config.features)) >= self.config.dropout_rate
            feed = {"batch": pack_batch(rows, self.labels[batch], kept)}
            self.executor.run(self.program, feed)
            self.schedule.step()
        return tuple(get_variable(name).item() / self.steps for name in ("loss_sum", "correct_sum"))

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Accuracy and mean loss on images uint8 [n, 3 * S * S] with labels int64 [n]."""
        correct, total_loss = 0, 0.0
        for i in range(0, len(images), EVALUATION_BATCH):
            part = slice(i, i + EVALUATION_BATCH)
            feed = {"images": standardise(images[part]), "labels": labels[part, None]}
            logits, losses = self.executor.run(self.evaluation, feed, self.evaluation_fetches)
            correct += int((logits.argmax(axis=1) == labels[part]).sum())
            total_loss += float(losses.sum(dtype=np.float64))
        return correct / len(images), total_loss / len(images)

    def state(self) -> dict[str, np.ndarray]:
        """Parameters, moving statistics, momentum: all that training changes, except `rng`."""
        names = [v.name for v in self.program.list_vars() if v.persistable and v.name != "pixel_table"]
        return {name: get_variable(name) for name in names}

    def load_state(self, state: dict[str, np.ndarray], epochs: int) -> None:
        """Go on from the `state` after `epochs` epochs."""
        set_variables(state)
        self.schedule.step(epochs * self.steps)

    def export(self) -> tuple[bytes, bytes]:
        """The contents of a .pdmodel and a .pdiparams file, for paddle.inference: the network from raw
        pixels, float32 [B, 3, S, S] in 0 .. 255, to the classes' probabilities [B, num_classes]."""
        program = static.Program()
        with (
            static.program_guard(program, static.Program()),
            paddle.utils.unique_name.guard(),
            no_call_stacks(),  # whose paths are of no use to others
        ):
            pixels = static.data("pixels", [-1, 3, self.size, self.size])
            flat = paddle.flatten(pixels, 1)
            centred = flat - paddle.mean(flat, 1, keepdim=True)
            variance = paddle.mean(centred * centred, 1, keepdim=True)
            images = centred / paddle.clip(variance, min=1 / flat.shape[1]) ** 0.5
            images = paddle.reshape(images, [-1, 3, self.size, self.size])
            ends = [pixels], [F.softmax(self._logits(images, training=False))]
            return (
                static.serialize_program(*ends, program=program),
                static.serialize_persistables(*ends, self.executor, program=program),
            )


def train_child(
    architecture: Architecture,
    subset: Subset,
    config: ChildConfig,
    seed: int | Sequence[int],
    on_epoch: Callable[[int, float, float], None] | None = None,
) -> TrainResult:
    """Train one architecture from scratch and evaluate it on the validation images.

    seed: an int or a sequence of ints, as numpy.random.default_rng takes it.
    on_epoch: called after every epoch with its number (from 1) and the training loss and accuracy,
        both means over the epoch's batches.

    Raises ValueError where config and subset do not fit each other.
    """
    start = time.perf_counter()
    rng = np.random.default_rng(seed)
    with ChildTrainer(architecture, config, subset, rng) as trainer:
        for epoch in range(1, config.epochs + 1):
            train_loss, train_accuracy = trainer.train_epoch()
            if on_epoch:
                on_epoch(epoch, train_loss, train_accuracy)
            if not math.isfinite(train_loss):
                break
        accuracy, validation_loss = trainer.evaluate(subset.validation_images, subset.validation_labels)

    finite = math.isfinite(train_loss) and math.isfinite(validation_loss)
    return TrainResult(
        status="ok" if finite else "nan",
        accuracy=accuracy,
        validation_loss=validation_loss,
        train_loss=train_loss,
        num_params=trainer.num_params,
        seconds=time.perf_counter() - start,
    )


@dataclasses.dataclass(frozen=True)
class TrainJob:
    """What a trainer calls for each job. All that is random about a model follows from (seed, mid, run), so
    its result depends neither on the number of trainers nor on the order in which they finish."""

    subset: Subset
    config: ChildConfig
    seed: int

    def __call__(self, job: Job, on_epoch: Callable[[int, float, float], None]) -> TrainResult:
        seed = [self.seed, job.mid, job.run]
        return train_child(job.architecture, self.subset, self.config, seed, on_epoch)
