"""What ends a script early. Ctrl-C: no traceback, whenever it comes, and however often. A limit of time.

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from autodl_design.settings.fields import SettingsError

EXIT_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


def exit_at_once() -> None:
    """From now on Ctrl-C ends the program: for the seconds of the imports, with nothing to lose yet."""
    _handle(lambda number, frame: os._exit(EXIT_INTERRUPTED))


def raise_once() -> None:
    """From now on the first Ctrl-C raises KeyboardInterrupt, and further ones are ignored."""
    _handle(_raise)


def came() -> bool:
    """Whether it was pressed, and raised. Libraries make other errors of that: Paddle's import does."""
    return signal.getsignal(signal.SIGINT) is do_nothing


def _handle(handler) -> None:
    # What a shell starts in the background ignores Ctrl-C, and goes on to.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def do_nothing(number, frame) -> None:
    """In place of SIG_IGN, of which Python complains where a second signal came a moment before."""


def _raise(number, frame) -> None:
    signal.signal(signal.SIGINT, do_nothing)
    raise KeyboardInterrupt


class TimeIsUp(BaseException):
    """Raised by `time_limit`; like Ctrl-C it is no error that code on its way may catch."""


@contextlib.contextmanager
def time_limit(minutes: float | None) -> Iterator[None]:
    """Raises TimeIsUp in the `with` block once so many minutes of it are over; never where they are None.
    Raises SettingsError outside the main thread, the only one that signals reach."""
    if minutes is None:
        yield
        return
    if threading.current_thread() is not threading.main_thread():
        raise SettingsError("max_minutes works in the main thread of a program alone")

    def end(number, frame):
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
