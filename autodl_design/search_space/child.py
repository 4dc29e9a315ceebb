"""The settings of a child network and of its training: plain data."""

import dataclasses

from autodl_design.settings.fields import Settings, SettingsError, setting

LARGEST = 1e38  # a little below the end of float32
MAX_PARAMETERS = 200_000_000  # a network of the default size has about a million
CURVE_FROM = 10  # epochs; an evaluation costs half an epoch where it has as many images
BYTES_A_PIXEL = 12  # of the padded training images, which a trainer holds as floats
MAX_TABLE_BYTES = 8_000_000_000  # of all of them; the pixels are counted in 32 bits


@dataclasses.dataclass(frozen=True)
class ChildSettings(Settings):
    """The child network and its training"""

    width: int = setting(64, "Channels of the child network's first stage.", low=1, high=4096)
    num_stages: int = setting(
        3,
        "Stages of the child network; each further one halves the image and doubles the channels.",
        low=1,
        high=5,
    )
    num_cells: int = setting(3, "Cells in a stage of the child network.", low=1, high=100)
    ratio: int = setting(4, "Channels of a cell / channels of its nodes.", low=1, high=4096)
    shortcut: bool = setting(
        False, "Whether the input of a normal cell is added to its output.", before=False
    )
    epochs: int = setting(
        20, "Epochs of training of a child network.", low=1, high=100_000, alias="early_stop"
    )
    train_batch_size: int = setting(
        32, "Images in an update of a child network (--batch_size is the agent's).", low=1, high=100_000
    )
    lr_max: float = setting(0.05, "Highest learning rate of a child network.", low=0, high=LARGEST)
    lr_min: float = setting(0.0001, "Lowest learning rate of a child network.", low=0, high=LARGEST)
    T_0: float | None = setting(
        None,
        "Epochs in which the learning rate falls from highest to lowest, along a cosine; by default all.",
        above=0,
        high=1e6,
    )
    warmup: float | None = setting(
        None,
        "Epochs, the first of --T_0, in which the learning rate rises to the highest; by default a tenth.",
        low=0,
        high=1e6,
    )
    momentum: float = setting(0.9, "Nesterov momentum of a child network's updates.", low=0, high=1)
    weight_decay: float = setting(
        1e-4, "L2 regularisation of every parameter of a child network.", low=0, high=LARGEST
    )
    bn_decay: float = setting(
        0.9, "Share of the old value in the moving statistics of batch normalisation.", low=0, high=1
    )
    bn_shift: float = setting(
        2.0,
        "Initial shift of every batch normalisation inside the network; the last one's is 0.",
        low=-1e3,
        high=1e3,
    )
    dropout_rate: float = setting(
        0.2, "Dropout before the classifier of a child network.", low=0, high=0.99
    )
    random_flip_left_right: bool = setting(True, "Whether training images are flipped at random.")
    amp: bool = setting(
        False, "Whether child networks are trained in mixed precision (float16); needs GPUs."
    )

    def check_together(self) -> None:
        period, warmup = self.schedule
        if warmup >= period:
            raise SettingsError(f"warmup {warmup:g} must be less than T_0 {period:g}")
        if self.width % self.ratio:
            raise SettingsError(f"width {self.width} must be a multiple of ratio {self.ratio}")

    @property
    def schedule(self) -> tuple[float, float]:
        """Epochs of a period of the learning rate, and of the warm-up with which it begins."""
        period = float(self.epochs) if self.T_0 is None else self.T_0
        return period, period / 10 if self.warmup is None else self.warmup

    @property
    def measured_epochs(self) -> tuple[int, ...]:
        """After which a network is evaluated in its training: the last one and, where that adds a tenth to
        the time at most, the ones at a quarter and at half of the way."""
        if self.epochs < CURVE_FROM:
            return (self.epochs,)
        return self.epochs // 4, self.epochs // 2, self.epochs

    @property
    def features(self) -> int:
        """Channels of the last stage, which the classifier sees."""
        return self.width * 2 ** (self.num_stages - 1)


def crop_padding(size: int) -> int:
    """Zeros on every side of an image from which crops are taken: 4 for CIFAR-10's 32 pixels."""
    return size // 8


def check_fit(config: ChildSettings, num_images: int, size: int) -> None:
    """Raises SettingsError, before any work is done, where training images of `size` pixels are too small
    for the network's stages, where an update takes more of them than there are, or where a trainer would
    need too much memory for them."""
    if config.train_batch_size > num_images:
        raise SettingsError(
            f"train_batch_size {config.train_batch_size:,} is more than the {num_images:,} training images"
        )
    if size < 2 ** (config.num_stages - 1):
        raise SettingsError(
            f"num_stages {config.num_stages} is too large for images of {size} pixels, of which "
            f"{2 ** (config.num_stages - 1)} or more are needed: each stage after the first halves them"
        )
    num_bytes = num_images * (size + 2 * crop_padding(size)) ** 2 * BYTES_A_PIXEL
    if num_bytes > MAX_TABLE_BYTES:
        raise SettingsError(
            f"{num_images:,} training images of {size} pixels would take {num_bytes / 1e9:.1f} GB of each "
            f"trainer's memory, more than {MAX_TABLE_BYTES / 1e9:.0f} GB: take fewer or smaller ones"
        )
