"""For the imports that take seconds, Paddle's and PARL's: `with quiet_import(): import paddle`."""

import gc
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_import() -> Iterator[None]:
    """Without warnings, which are of no use to a user. Ctrl-C ends the program with exit code 130, as it
    does later, and not with a traceback through a library.

    What an import makes is never garbage. So the garbage collector rests meanwhile, and passes it over from
    then on, at the end of the program too: a program that only imports Paddle takes 1.2 s, not 1.9 s.
    """
    collected = gc.isenabled()
    gc.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            gc.freeze()
            if collected:
                gc.enable()


class Without:
    """In `with Without("torch"):`, importing that package fails as if it were not installed, unless it was
    imported before.

    PARL and tensorboardX import PyTorch where it is installed: seconds, for what nothing here uses.
    """

    def __init__(self, package: str):
        self.package = package

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *exception: object) -> None:
        sys.meta_path.remove(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Called by the import system."""
        if name == self.package:
            raise ModuleNotFoundError(f"{name} is left out here", name=name)


class Postponed:
    """In `with Postponed("scipy.signal"):`, importing that submodule gives an empty one, unless it was
    imported before. Afterwards the package imports it when somebody uses it, as SciPy does with all its
    submodules.

    PARL imports it for a function that nothing here calls: 0.8 s.
    """

    def __init__(self, name: str):
        self.name = name
        self.empty = types.ModuleType(name)

    def __enter__(self) -> None:
        sys.modules.setdefault(self.name, self.empty)

    def __exit__(self, *exception: object) -> None:
        if sys.modules[self.name] is self.empty:
            del sys.modules[self.name]
