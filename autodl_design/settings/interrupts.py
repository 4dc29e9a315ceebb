"""What Ctrl-C does to a script: no traceback, whenever it comes, and however often.

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()
"""

import os
import signal

EXIT_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


def exit_at_once() -> None:
    """From now on Ctrl-C ends the program: for the seconds of the imports, with nothing to lose yet."""
    _handle(lambda number, frame: os._exit(EXIT_INTERRUPTED))


def raise_once() -> None:
    """From now on the first Ctrl-C raises KeyboardInterrupt, and further ones are ignored."""
    _handle(_raise)


def _handle(handler) -> None:
    # What a shell starts in the background ignores Ctrl-C, and goes on to.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def do_nothing(number, frame) -> None:
    """In place of SIG_IGN, of which Python complains where a second signal came a moment before."""


def _raise(number, frame) -> None:
    signal.signal(signal.SIGINT, do_nothing)
    raise KeyboardInterrupt
