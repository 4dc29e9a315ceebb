"""For the imports that take seconds, Paddle's and PARL's: `with quiet_import(): import paddle`."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_import() -> Iterator[None]:
    """Without warnings, which are of no use to a user. Ctrl-C ends the program with exit code 130, as it
    does later, and not with a traceback through a library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except KeyboardInterrupt:
            sys.exit(130)
