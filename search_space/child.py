"""The settings of a child network and of its training, and what comes of training one: plain data."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class ChildConfig:
    """Size of the child network and recipe of its training. The defaults are those of the search."""

    width: int = 64  # channels of the first stage
    num_stages: int = 3  # each stage after the first halves the image and doubles the channels
    num_cells: int = 3  # cells in a stage
    ratio: int = 4  # channels of a cell / channels of its nodes
    early_stop: int = 20  # epochs of training
    train_batch_size: int = 32
    lr_max: float = 0.05
    lr_min: float = 0.0001
    T_0: float = 20.0  # epochs in which the cosine goes from lr_max to lr_min
    warmup: float = 2.0  # epochs of linear warm-up before it
    momentum: float = 0.9
    weight_decay: float = 1e-4
    bn_decay: float = 0.9  # share of the old value in BN's moving statistics
    bn_shift: float = 2.0  # initial shift of every BN that a convolution or a pooling follows
    dropout_rate: float = 0.2
    random_flip_left_right: bool = True
    amp: bool = False  # mixed precision, on GPUs: float16 where Paddle holds it to be safe

    @property
    def features(self) -> int:
        """Channels of the last stage, which the classifier sees."""
        return self.width * 2 ** (self.num_stages - 1)


# name in ChildConfig, which also gives type and default; help; lowest and highest value
CHILD_FLAGS = (
    ("width", "Channels of the child network's first stage.", 1, None),
    ("num_stages", "Its stages; each further one halves the image and doubles the channels.", 1, 5),
    ("num_cells", "Cells in a stage.", 1, None),
    ("ratio", "Channels of a cell / channels of its nodes.", 1, None),
    ("early_stop", "Epochs for which a child network is trained.", 1, None),
    ("train_batch_size", "Images in one of its updates (--batch_size is the agent's).", 1, None),
    ("lr_max", "Its highest learning rate.", 0, None),
    ("lr_min", "Its lowest learning rate.", 0, None),
    ("T_0", "Epochs in which the learning rate goes from highest to lowest along a cosine.", 0, None),
    ("warmup", "The first of those epochs, in which it rises to the highest.", 0, None),
    ("momentum", "Nesterov momentum.", 0, 1),
    ("weight_decay", "L2 regularisation of every parameter.", 0, None),
    ("bn_decay", "Share of the old value in the moving statistics of batch normalisation.", 0, 1),
    ("bn_shift", "Initial shift of the batch normalisations inside the network.", None, None),
    ("dropout_rate", "Dropout before the classifier.", 0, 0.99),
    ("random_flip_left_right", "Whether training images are flipped at random.", None, None),
    ("amp", "Whether it is trained in mixed precision; needs GPUs.", None, None),
)


def check_config(config: ChildConfig) -> None:
    """Raises ValueError where a value is not one that its flag takes in the search."""
    for name, _, low, high in CHILD_FLAGS:
        value = getattr(config, name)
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"recipe: {name} cannot be {value}")
    if config.warmup >= config.T_0:
        raise ValueError("recipe: warmup must be less than T_0")
    if config.width % config.ratio:
        raise ValueError(f"recipe: width {config.width} must be a multiple of ratio {config.ratio}")


@dataclasses.dataclass(frozen=True)
class TrainResult:
    status: str  # "ok", or "nan" where the loss left the finite numbers
    accuracy: float  # on the validation images, after the last epoch
    validation_loss: float
    train_loss: float  # mean over the last epoch's batches
    num_params: int  # trainable ones
    seconds: float
