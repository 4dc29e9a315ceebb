"""What a training depends on, and whether it can start or go on so.

found = what_to_train(config, None)
plan = make_plan(config, found, images)
check_possible(plan, images)
"""

import dataclasses
from typing import NamedTuple

from autodl_design.backend.programs import on_gpu
from autodl_design.retraining.images import Images
from autodl_design.retraining.settings import RetrainError, RetrainSettings, resume_command
from autodl_design.search_space.architecture_file import read_architecture
from autodl_design.search_space.child import ChildSettings, check_fit
from autodl_design.search_space.image_origin import ImageOrigin, named
from autodl_design.search_space.reference import Design, Reference, reference_recipe


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that decides what comes of a training."""

    design: Design
    config: ChildSettings
    seed: int
    images: str  # their SHA-256


class Given(NamedTuple):
    """What is to be trained, before the settings make a plan of it."""

    design: Design
    config: ChildSettings  # the recipe, as the search had it
    images: ImageOrigin | None  # of the search, where there was one and its file says them


def what_to_train(config: RetrainSettings, stored: Plan | None) -> Given:
    """stored: the plan of the training that goes on, if there is one. Raises RetrainError where it is not
    said, ArchitectureError where the file cannot be read."""
    if config.architecture and config.reference:
        raise RetrainError("--architecture and --reference: name one of them")
    if config.architecture:
        found = read_architecture(config.architecture)
        given = Given(found.architecture, found.config, found.images)
    elif config.reference:
        given = Given(Reference(config.reference), reference_recipe(), None)
    elif stored:
        given = Given(stored.design, stored.config, None)
    else:
        raise RetrainError(
            "--architecture is missing: name a file such as log/best.json, or a --reference, such as vgg"
        )
    if config.num_cells and isinstance(given.design, Reference):
        raise RetrainError(
            f"--num_cells={config.num_cells}: a reference has no cells; --width makes it larger"
        )
    return given


def make_plan(config: RetrainSettings, given: Given, images: Images) -> Plan:
    """Raises SettingsError."""
    return Plan(given.design, stretched(given.config, config), config.seed, images.origin.sha256)


def stretched(recipe: ChildSettings, config: RetrainSettings) -> ChildSettings:
    """The recipe for the configuration's epochs, of which the same share as in the search warms up."""
    period, warmup = recipe.schedule
    return dataclasses.replace(
        recipe,
        epochs=config.epochs,
        T_0=float(config.epochs),
        warmup=warmup * (config.epochs / period),  # exact where the two are equal
        train_batch_size=config.train_batch_size or recipe.train_batch_size,
        width=config.width or recipe.width,
        num_cells=config.num_cells or recipe.num_cells,
    )


def check_settings(config: RetrainSettings, stored: Plan) -> None:
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


def check_plan(config: RetrainSettings, plan: Plan, stored: Plan, images: Images) -> None:
    """Raises RetrainError where images or architecture are not those that the training began with."""
    if plan.images != stored.images:
        raise RetrainError(
            f"{images.origin.path} holds other images than those that the training in {config.output_dir} "
            f"began with: {named(images.origin.class_names)}"
        )
    if plan != stored:
        flag = "reference" if config.reference else "architecture"
        raise RetrainError(
            f"--{flag}={getattr(config, flag)} has another architecture or recipe than the training in "
            f"{config.output_dir}; leave --{flag} out, or train in another --output_dir"
        )


def check_possible(plan: Plan, images: Images) -> None:
    """Raises SettingsError or RetrainError where these images or this machine cannot train so."""
    num_images, size = len(images.subset.train_images), images.subset.image_size
    if size < 2 ** (plan.config.num_stages - 1):
        raise RetrainError(
            f"the network halves its images {plan.config.num_stages - 1} times, for which {size} pixels "
            "are too few: take larger images"
        )
    check_fit(plan.config, num_images, size)
    if plan.config.amp and not on_gpu():
        raise RetrainError(
            "the recipe asks for mixed precision, which needs a GPU: train on one, or set amp to false in "
            "the architecture's file"
        )


def settings_of(plan: Plan) -> dict[str, int]:
    """The values of the settings that decide what comes of a training."""
    config = plan.config
    cells = {} if isinstance(plan.design, Reference) else {"num_cells": config.num_cells}
    return {
        "epochs": config.epochs,
        "width": config.width,
        **cells,
        "train_batch_size": config.train_batch_size,
        "seed": plan.seed,
    }
