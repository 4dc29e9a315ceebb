"""Operations, the network, its data and its training, against formulas that are written down here."""

import collections
import contextlib
import dataclasses
import importlib
import math
import warnings

import numpy as np
import pytest

import nn_paddle
from autodl_design.agents.random_search import random_architecture
from autodl_design.backend import program_passes, programs
from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.program_passes import speed_up
from autodl_design.child_network import augmentation, cpu_layers, network, operations, shared_sums
from autodl_design.child_network.cpu_layers import ChannelsFirst, ChannelsLast
from autodl_design.child_network.layers import Layers, static
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings, check_fit
from autodl_design.search_space.reference import REFERENCE_NAMES, Reference, reference_recipe
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.job import Diverged, Hurdle, Job

TINY = ChildSettings(width=8, num_cells=1, num_stages=2, epochs=3, T_0=3.0, warmup=1.0)
ARCHITECTURE = Architecture.of([1, 6, 3, 8, 2, 4], [1, 1, 0, 0, 1, 1])


# --- Operations against NumPy, written from the definitions ------------------------------------------


def pad_same(x, kernel, stride, dilation=1, value=0.0):
    pads = [(0, 0), (0, 0)]
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        out = -(-size // s)
        total = max((out - 1) * s + (k - 1) * dilation + 1 - size, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, pads, constant_values=value)


def windows(x, kernel, stride, dilation=1, value=0.0):
    """[B, C, H', W', kh, kw]"""
    extent = [(k - 1) * dilation + 1 for k in kernel]
    view = np.lib.stride_tricks.sliding_window_view(
        pad_same(x, kernel, stride, dilation, value), extent, axis=(2, 3)
    )
    return view[:, :, :: stride[0], :: stride[1], ::dilation, ::dilation]


def conv(x, weight, stride=(1, 1), dilation=1):
    view = windows(x, weight.shape[2:], stride, dilation)
    return np.einsum("bchwij,ocij->bohw", view, weight)


def expected(name, x, weights, stride):
    kind, size = name.rsplit("_", 1)
    if name in ("conv_1x1", "conv_3x3", "conv_5x5"):
        return conv(x, weights[0], (stride, stride))
    if name == "dilated_3x3":
        return conv(x, weights[0], (stride, stride), 2 if stride == 1 else 1)
    if name in ("conv_1x3_3x1", "conv_1x5_5x1"):
        x = conv(conv(x, weights[0], (1, stride)), weights[1], (stride, 1))
        return conv(x, weights[2]) if stride == 2 else x
    k = int(size[0])
    if kind == "maxpool":
        x = windows(x, (k, k), (stride, stride), value=-np.inf).max(axis=(4, 5))
    elif stride == 1:
        x = np.nanmean(windows(x, (k, k), (1, 1), value=np.nan), axis=(4, 5))
    else:
        x = windows(x, (k, k), (2, 2)).mean(axis=(4, 5))
    return conv(x, weights[0]) if stride == 2 else x


@pytest.mark.parametrize(
    "kind, training", [(Layers, False), (Layers, True), (ChannelsFirst, True), (ChannelsLast, True)]
)
@pytest.mark.parametrize("size", [8, 7, 2, 1])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", operations.OPERATIONS)
def test_operation(name, kind, stride, size, training):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, size, size)).astype(np.float32)
    with programs.static_programs(), programs.new_scope():
        program, startup = static.Program(), static.Program()
        with static.program_guard(program, startup), paddle.utils.unique_name.guard():
            layers = kind(training)
            image = layers.images(static.data("x", [2, size, size, 3]))
            y = operations.OPERATIONS[name](layers, image, stride)
            if kind is ChannelsLast:
                y = paddle.transpose(y, [0, 3, 1, 2])
        speed_up(program)
        executor = programs.new_executor()
        executor.run(startup)
        weights = {
            p.name: rng.standard_normal(p.shape).astype(np.float32) for p in program.all_parameters()
        }
        programs.set_variables(weights)
        (actual,) = executor.run(program, {"x": x.transpose(0, 2, 3, 1)}, [y])
    assert actual.shape == (2, 3 * stride, -(-size // stride), -(-size // stride))
    np.testing.assert_allclose(
        actual, expected(name, x, list(weights.values()), stride), rtol=1e-4, atol=1e-4
    )


# --- Data -----------------------------------------------------------------------------------------


def test_standardise():
    images = np.zeros((2, 3072), np.uint8)
    images[0, ::2] = 200
    x = augmentation.standardise(images)
    assert x.shape == (2, 3, 32, 32) and x.dtype == np.float32
    np.testing.assert_allclose([x[0].mean(), x[0].std()], [0, 1], atol=1e-5)
    assert (x[1] == 0).all()


@pytest.mark.parametrize("size, padding", [(32, 4), (9, 1), (30, 3)])
def test_augmented_rows_are_crops_of_the_padded_image(size, padding):
    images = np.random.default_rng(0).standard_normal((3, 3, size, size)).astype(np.float32)
    table = augmentation.pixel_table(images)
    indices = np.repeat(np.arange(3), 200)
    rows = augmentation.augmented_rows(indices, size, True, np.random.default_rng(1))
    crops = table[rows].reshape(-1, size, size, 3).transpose(0, 3, 1, 2)
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    offsets = range(2 * padding + 1)
    seen = set()
    for index, crop in zip(indices, crops, strict=True):
        found = [
            (top, left, flip)
            for top in offsets
            for left in offsets
            for flip in (False, True)
            if np.array_equal(
                padded[index, :, top : top + size, left : left + size][..., :: -1 if flip else 1], crop
            )
        ]
        assert len(found) == 1
        seen.update(found)
    # Of 162 with 32 pixels: all offsets, flipped or not, do occur.
    assert len(seen) > 0.9 * 2 * len(offsets) ** 2


def test_a_packed_batch_and_the_dropout_mask_in_it():
    rng = np.random.default_rng(0)
    config = ChildSettings(dropout_rate=0.2, width=400)  # 1600 features
    rows, labels = rng.integers(0, 50000 * 40 * 40, (60, 32 * 32)), rng.integers(0, 10, 60)
    kept = rng.random((60, 1600)) >= 0.2
    with programs.static_programs(), programs.new_scope():
        program = static.Program()
        with static.program_guard(program, static.Program()):
            batch = static.data("batch", [60, 32 * 32 + 1 + 1600], "int32")
            parts = augmentation.unpack_batch(batch, config)
        feed = {"batch": augmentation.pack_batch(rows, labels, kept)}
        actual_rows, actual_labels, mask = programs.new_executor().run(program, feed, parts)
    assert (actual_rows == rows).all() and (actual_labels == labels[:, None]).all()
    assert actual_labels.dtype == np.int64
    assert ((mask != 0) == kept).all() and set(np.unique(mask)) == {0.0, np.float32(1.25)}
    assert abs(mask.mean() - 1) < 0.01


def test_learning_rate():
    config = ChildSettings(lr_max=1.0, lr_min=0.1, T_0=6.0, warmup=2.0)
    at = [nn_paddle.learning_rate(config, epoch) for epoch in (0, 1, 2, 4, 5.9999)]
    np.testing.assert_allclose(at, [0.1, 0.55, 1.0, 0.55, 0.1], atol=1e-6)


# --- Training -------------------------------------------------------------------------------------


def test_initial_values():
    with programs.static_programs():
        program = static.Program()
        with static.program_guard(program, static.Program()), paddle.utils.unique_name.guard():
            images = static.data("images", [2, 3, 32, 32])
            config = dataclasses.replace(TINY, width=64)
            network.build_network(Layers(True), images, ARCHITECTURE, 10, config)
        values = network.draw_parameters(program, np.random.default_rng(0))
    stem = values["weight_0"]
    assert stem.shape == (64, 3, 3, 3)
    assert abs(stem).max() <= 2 * math.sqrt(2 / 27)
    np.testing.assert_allclose(stem.std(), 0.88 * math.sqrt(2 / 27), rtol=0.05)
    shifts = [value for name, value in values.items() if name.endswith(".shift")]
    assert all((shift == 2).all() for shift in shifts[:-1]) and (shifts[-1] == 0).all()
    assert (values["bn_0.variance"] == 1).all() and (values["bn_0.mean"] == 0).all()


def test_training_learns(easy_subset):
    epochs = []
    config = dataclasses.replace(TINY, epochs=10, T_0=10.0, train_batch_size=16)
    result = nn_paddle.train_child(
        ARCHITECTURE, easy_subset, config, 0, lambda *epoch: epochs.append(epoch)
    )
    assert result.accuracy > 0.9  # chance is 0.1
    assert [epoch for epoch, _, _ in epochs] == list(range(1, 11))
    assert epochs[-1][1] == result.train_loss < epochs[0][1]
    assert epochs[-1][2] > 0.6  # with dropout


def test_training_follows_from_its_seed(easy_subset):
    def losses(seed):
        epochs = []
        config = dataclasses.replace(TINY, epochs=1)
        result = nn_paddle.train_child(
            ARCHITECTURE, easy_subset, config, seed, lambda *epoch: epochs.append(epoch)
        )
        return result.validation_loss, epochs

    first = losses([3, 1])
    assert losses([3, 1]) == first
    assert losses([3, 2]) != first


def test_measuring_on_the_way_changes_no_weight(easy_subset):
    config = dataclasses.replace(TINY, epochs=12)
    curve = nn_paddle.train_child(ARCHITECTURE, easy_subset, config, 0).curve
    assert [point.epoch for point in curve] == [3, 6, 12]

    images = easy_subset.validation_images, easy_subset.validation_labels
    with nn_paddle.ChildTraining(ARCHITECTURE, config, easy_subset, np.random.default_rng(0)) as training:
        losses = [training.train_epoch()[0] for _ in range(12)]
        accuracy, validation_loss = training.evaluate(*images)
    assert [point.train_loss for point in curve] == [losses[2], losses[5], losses[11]]
    assert curve[-1][2:] == (validation_loss, accuracy)
    assert curve[-1].validation_loss < curve[0].validation_loss


def test_a_training_ends_at_a_hurdle(easy_subset):
    config = dataclasses.replace(TINY, epochs=12)
    whole = nn_paddle.train_child(ARCHITECTURE, easy_subset, config, 0)
    accuracy = whole.curve[1].accuracy
    job = Job(0, ARCHITECTURE, hurdles=(Hurdle(3, 0.0, 0.1), Hurdle(6, accuracy + 0.01, 0.1)))
    train = nn_paddle.train_child
    stopped = train(ARCHITECTURE, easy_subset, config, 0, hurdle_failed=job.failed_hurdle)
    assert stopped.stopped == job.hurdles[1] and stopped.accuracy == accuracy
    assert stopped.curve == whole.curve[:2] and whole.stopped is None


def test_a_short_training_is_measured_at_its_end_only():
    epochs = [ChildSettings(epochs=n).measured_epochs for n in (1, 2, 9, 10, 20)]
    assert epochs == [(1,), (2,), (9,), (2, 5, 10), (5, 10, 20)]


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_a_reference_learns(name, easy_subset):
    config = dataclasses.replace(reference_recipe(), width=8, epochs=8, train_batch_size=16)
    assert nn_paddle.train_child(Reference(name), easy_subset, config, 0).accuracy > 0.9  # chance is 0.1


@pytest.mark.parametrize(
    ("name", "weights_by_stage", "num_norms"),
    [
        # Of convolutions of w = 32 channels, twice as many in each further stage.
        ("vgg", [27 * 32 + 9 * 32**2, (18 + 36) * 32**2, (72 + 144) * 32**2], 2 * (1 + 2 + 4)),
        ("conv5", [75 * 32, 50 * 32**2, 72 * 32**2], 1 + 2 + 4),
        (
            "resnet8",
            [27 * 32 + 18 * 32**2, (18 + 36 + 2) * 32**2, (72 + 144 + 8) * 32**2],
            3 * (1 + 2 + 4),
        ),
    ],
)
def test_size_of_a_reference(name, weights_by_stage, num_norms):
    with programs.static_programs():
        program = static.Program()
        with static.program_guard(program, static.Program()), paddle.utils.unique_name.guard():
            images = static.data("images", [2, 3, 32, 32])
            config = dataclasses.replace(reference_recipe(), width=32)
            layers = Layers(True)
            logits = network.build_network(layers, images, Reference(name), 10, config)
        num_params = sum(weights_by_stage) + 2 * num_norms * 32 + 128 * 10 + 10
        assert programs.count_parameters(program) == num_params
        places = [32**2, 16**2, 8**2]  # at each of which a convolution uses all its weights
        macs = sum(n * weights for n, weights in zip(places, weights_by_stage, strict=True)) + 128 * 10
        assert layers.macs == macs
        assert list(logits.shape) == [2, 10]
        values = network.draw_parameters(program, np.random.default_rng(0))
    assert not any(value.any() for key, value in values.items() if key.endswith(".shift"))


def test_diverging_training_is_reported(easy_subset):
    config = dataclasses.replace(TINY, lr_max=1e30)
    with pytest.raises(Diverged):
        nn_paddle.train_child(ARCHITECTURE, easy_subset, config, 0)


def test_dynamic_mode_is_back_after_training(easy_subset):
    nn_paddle.train_child(ARCHITECTURE, easy_subset, dataclasses.replace(TINY, epochs=1), 0)
    assert paddle.in_dynamic_mode()
    assert float(paddle.to_tensor([1.0, 2.0]).sum()) == 3


def test_what_a_model_costs(easy_subset, monkeypatch):
    """On GPUs each array that is fed or read back is a wait: one training and one evaluation program,
    a run an update that is fed one array and fetches nothing, two numbers read an epoch."""
    runs, feeds, reads = collections.defaultdict(list), {}, []
    run, get_variable = static.Executor.run, programs.get_variable

    def counted_run(self, program, feed=None, fetch_list=None):
        runs[program].append(len(fetch_list or []))
        feeds[program] = len(feed or {})
        return run(self, program, feed, fetch_list)

    def counted_get_variable(name):
        reads.append(name)
        return get_variable(name)

    monkeypatch.setattr(static.Executor, "run", counted_run)
    monkeypatch.setattr(nn_paddle, "get_variable", counted_get_variable)
    nn_paddle.train_child(ARCHITECTURE, easy_subset, TINY, 0)
    startup, training, evaluation = runs.values()
    assert startup == [0]
    assert training == [0] * (3 * (160 // 32))
    assert evaluation == [2, 2]  # logits and losses of 25 images each
    assert list(feeds.values()) == [0, 1, 2]
    assert reads == 3 * ["loss_sum", "correct_sum"]


def test_images_that_do_not_fit_the_network_are_refused(easy_subset):
    images = np.zeros((32, 3 * 8 * 8), np.uint8)
    small = easy_subset._replace(train_images=images, train_labels=np.zeros(32, np.int64))
    check_fit(ChildSettings(num_stages=4), len(small.train_images), small.image_size)
    with pytest.raises(SettingsError, match="num_stages 5 is too large for images of 8 pixels"):
        check_fit(ChildSettings(num_stages=5), len(small.train_images), small.image_size)
    with pytest.raises(SettingsError, match="train_batch_size 33 is more than the 32 training images"):
        check_fit(ChildSettings(train_batch_size=33), len(small.train_images), small.image_size)
    many = np.broadcast_to(np.uint8(0), (90_000, 3 * 224 * 224))
    with pytest.raises(SettingsError, match="90,000 training images of 224 pixels would take 84.7 GB"):
        nn_paddle.train_child(ARCHITECTURE, easy_subset._replace(train_images=many), TINY, 0)


def test_a_network_too_large_for_any_machine_is_refused(easy_subset):
    config = dataclasses.replace(TINY, width=4096, ratio=1)
    with pytest.raises(SettingsError, match="parameters, more than 200,000,000"):
        nn_paddle.train_child(ARCHITECTURE, easy_subset, config, 0)


def test_classes_count_alike_where_they_differ_in_size():
    labels = np.array([0, 0, 0, 0, 2])
    assert nn_paddle.accuracy_of(np.array([0, 0, 0, 1, 0]), labels) == (3 / 4 + 0) / 2
    assert nn_paddle.accuracy_of(np.zeros(4, int), np.array([0, 1, 0, 1])) == 0.5


def test_images_that_may_not_be_mirrored_are_not(easy_subset):
    letters = easy_subset._replace(mirror=False)
    never = dataclasses.replace(TINY, random_flip_left_right=False)
    results = [
        nn_paddle.train_child(ARCHITECTURE, subset, config, seed=0).train_loss
        for subset, config in ((letters, TINY), (easy_subset, never), (easy_subset, TINY))
    ]
    assert results[0] == results[1] != results[2]


# --- On GPUs --------------------------------------------------------------------------------------


@contextlib.contextmanager
def program_for_gpus(subset, architecture, config):
    """The training program that a GPU would run, and the number of its operators of each type. It is built
    as where Paddle's kernels include float16 ones, which those for CPUs do not."""
    lists = importlib.import_module("paddle.static.amp.fp16_lists")
    trainer = nn_paddle.ChildTraining(architecture, config, subset, np.random.default_rng(0))
    with pytest.MonkeyPatch.context() as patch, programs.static_programs(), programs.new_scope():
        patch.setattr(lists.core, "op_supported_infos", lambda device, dtype: (set(), set(), set()))
        trainer.executor = programs.new_executor()
        for module in (cpu_layers, program_passes):
            patch.setattr(module, "on_gpu", lambda: True)
        trainer._build_training(num_rows=10)
        yield trainer.program, collections.Counter(op.type for op in trainer.program.global_block().ops)


def test_mixed_precision_program(easy_subset):
    config = dataclasses.replace(TINY, amp=True)
    with program_for_gpus(easy_subset, ARCHITECTURE, config) as (program, operators):
        block = program.global_block()
        halves = [op for op in block.ops if op.type == "conv2d" for name in op.input_arg_names
                  if block.var(name).dtype == paddle.float16]  # fmt: skip
        assert len(halves) == 2 * operators["conv2d"] > 0  # image and weight of each
        assert operators["check_finite_and_unscale"] == operators["update_loss_scaling"] == 1
        assert {p.dtype for p in program.all_parameters()} == {paddle.float32}


@pytest.mark.parametrize("amp, most_operators, most_casts", [(False, 900, 2), (True, 1125, 225)])
def test_what_an_update_costs_on_gpus(easy_subset, amp, most_operators, most_casts):
    """Operators of one architecture at the default size. With average pooling by matrices there were 64
    more, and 40 copies of constants from the host; without `sum` among AMP's float16 operators 1500, 521 of
    them casts."""
    with program_for_gpus(easy_subset, random_architecture(0, 0), ChildSettings(amp=amp)) as (_, operators):
        assert operators.total() <= most_operators
        assert operators["cast"] <= most_casts
        assert operators["assign_value"] == 0
        assert operators["merged_momentum"] == 1


@pytest.mark.skipif(programs.on_gpu(), reason="there is a GPU")
def test_mixed_precision_needs_a_gpu(easy_subset):
    with pytest.raises(ValueError, match="amp.*GPU"):
        nn_paddle.train_child(ARCHITECTURE, easy_subset, dataclasses.replace(TINY, amp=True), 0)


def test_shared_summands_give_the_same_sums_with_fewer_additions():
    assert shared_sums.share_summands(((), (0,), (0, 1), (0, 1, 2))) == (
        [[], [0], [4], [2, 4]],
        {4: (0, 1)},
    )
    rng = np.random.default_rng(0)
    sums = tuple(tuple(np.flatnonzero(rng.random(i) < 0.5).tolist()) for i in range(10))
    shared, pairs = shared_sums.share_summands(sums)

    def nodes(term: int) -> list[int]:
        return [node for part in pairs[term] for node in nodes(part)] if term in pairs else [term]

    for terms, expected in zip(shared, sums, strict=True):
        assert sorted(node for term in terms for node in nodes(term)) == list(expected)
    additions = sum(max(len(terms) - 1, 0) for terms in shared) + len(pairs)
    assert additions < sum(max(len(terms) - 1, 0) for terms in sums)


# --- Several networks in one process ----------------------------------------------------------------


@pytest.mark.skipif(programs.on_gpu(), reason="GPUs have one layout")
def test_networks_side_by_side_train_as_alone_and_another_layout_is_refused(easy_subset):
    """oneDNN keeps one layout for a thread."""
    wide = dataclasses.replace(TINY, width=32)

    def training(config):
        return nn_paddle.ChildTraining(ARCHITECTURE, config, easy_subset, np.random.default_rng(0))

    def train(*trainings):
        for _ in range(2):
            for one in trainings:
                one.train_epoch()
                one.evaluate(easy_subset.validation_images, easy_subset.validation_labels)

    with training(wide) as alone:
        train(alone)
        expected = alone.state()
    with training(wide) as first:
        with training(wide) as second:
            train(first, second)
            with pytest.raises(RuntimeError, match="NHWC is open in this thread"):
                training(TINY).__enter__()
        first.evaluate(easy_subset.validation_images, easy_subset.validation_labels)
        for name, value in first.state().items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)
    with training(TINY) as narrow:
        train(narrow)


def test_a_training_under_python_w_error(easy_subset):
    """Of operators Paddle warns, which was a traceback then."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with nn_paddle.ChildTraining(ARCHITECTURE, TINY, easy_subset, np.random.default_rng(0)):
            pass
