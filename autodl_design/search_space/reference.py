"""Hand-written networks to compare found ones with, by name; child_network/references.py builds them.

reference = Reference.of("vgg")
recipe = reference_recipe()
"""

from typing import NamedTuple

from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings

REFERENCE_NAMES = ("vgg", "conv5", "resnet8")


class Reference(NamedTuple):
    name: str

    @classmethod
    def of(cls, name: object) -> "Reference":
        """Raises ValueError where there is none of this name."""
        if name not in REFERENCE_NAMES:
            raise ValueError(f"reference is none of {', '.join(REFERENCE_NAMES)}")
        return cls(str(name))

    @property
    def num_nodes(self) -> int:
        """Convolutions in a stage, as nodes in a cell of an architecture; vgg and resnet8 have most."""
        return 2


Design = Architecture | Reference  # of which, with its settings, a network is built


def reference_recipe() -> ChildSettings:
    """The size and the recipe of found networks, as far as a reference has them: no node is narrower than
    its stage, and batch normalisation begins as usual."""
    return ChildSettings(num_cells=1, ratio=1, bn_shift=0.0)
