"""What a training depends on, and whether it can start or go on so.

plan = make_plan(config, read_architecture(config.architecture), images)
check_possible(plan, images)
"""

import dataclasses

from autodl_design.backend.programs import on_gpu
from autodl_design.retraining.config import RetrainConfig, RetrainError, resume_command
from autodl_design.retraining.images import Images
from autodl_design.search_space.architecture_file import Architecture
from autodl_design.search_space.child import ChildConfig, check_fit


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that decides what comes of a training."""

    tokens: list[int]
    adjvec: list[int]
    config: ChildConfig
    seed: int
    images: str  # their SHA-256


def make_plan(config: RetrainConfig, architecture: Architecture | Plan, images: Images) -> Plan:
    """architecture: of a file, or of the plan of the training that goes on. Raises SettingsError."""
    recipe = stretched(architecture.config, config)
    return Plan(architecture.tokens, architecture.adjvec, recipe, config.seed, images.subset.sha256())


def stretched(recipe: ChildConfig, config: RetrainConfig) -> ChildConfig:
    """The recipe for the configuration's epochs, of which the same share as in the search warms up."""
    return dataclasses.replace(
        recipe,
        epochs=config.epochs,
        T_0=float(config.epochs),
        warmup=recipe.warmup * (config.epochs / recipe.T_0),  # exact where the two are equal
        width=config.width or recipe.width,
        num_cells=config.num_cells or recipe.num_cells,
    )


def check_settings(config: RetrainConfig, stored: Plan) -> None:
    """Raises RetrainError, naming the flag, where a training cannot go on so."""
    if not config.resume:
        raise RetrainError(
            f"{config.output_dir} holds a training: go on with it by `{resume_command(config)}`, or choose "
            "another --output_dir"
        )
    for name, value in settings_of(stored).items():
        given = getattr(config, name)  # None: as it was
        if given not in (value, None):
            raise RetrainError(
                f"--{name}={given}: the training in {config.output_dir} has {value}, which --resume cannot "
                f"change; leave --{name} out, or train in another --output_dir"
            )


def check_plan(config: RetrainConfig, plan: Plan, stored: Plan) -> None:
    """Raises RetrainError where images or architecture are not those that the training began with."""
    if plan.images != stored.images:
        source = config.input_dir or config.data_path
        raise RetrainError(
            f"{source} holds other images than those that the training in {config.output_dir} began with"
        )
    if plan != stored:
        raise RetrainError(
            f"--architecture={config.architecture} has another architecture or recipe than the training in "
            f"{config.output_dir}; leave --architecture out, or train in another --output_dir"
        )


def check_possible(plan: Plan, images: Images) -> None:
    """Raises SettingsError or RetrainError where these images or this machine cannot train so."""
    check_fit(plan.config, len(images.subset.train_images), images.subset.image_size)
    if plan.config.amp and not on_gpu():
        raise RetrainError(
            "the recipe asks for mixed precision, which needs a GPU: train on one, or set amp to false in "
            "the architecture's file"
        )


def settings_of(plan: Plan) -> dict[str, int]:
    """The values of the settings that decide what comes of a training."""
    config = plan.config
    return {
        "epochs": config.epochs,
        "width": config.width,
        "num_cells": config.num_cells,
        "seed": plan.seed,
    }
