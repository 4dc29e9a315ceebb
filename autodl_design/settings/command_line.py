"""How a script or a module that is run by `python -m` starts and ends:

    start(main, (ChildSettings, ...), errors=(DatasetError, ...))

A user's mistake ends in one line on standard error and exit code 1, never in a traceback: a wrong flag, one
of the script's own `errors`, a standard output that cannot be written, a system other than Linux. --help
prints the script's flags. They are all that there are: absl's own, as --flagfile and --pdb, are unknown.
"""

import ast
import codecs
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags

from autodl_design.checked_io.messages import printable, quoted
from autodl_design.settings import interrupts
from autodl_design.settings.fields import Settings
from autodl_design.settings.flags import FLAGS, help_text

HELP_FLAGS = {
    f"{dashes}{name}" for dashes in ("-", "--") for name in ("help", "h", "helpshort", "helpfull", "?")
}
EXIT_CLOSED_PIPE = 141  # what a shell reports of a program that wrote to a pipe whose reader has gone


class OutputError(Exception):
    """Standard output cannot be written."""


def start(
    main: Callable[[list[str]], None],
    classes: tuple[type[Settings], ...],
    errors: tuple[type[Exception], ...] = (),
    arguments: str = "",
) -> None:
    """Read the flags of `classes`, which must be defined, and call main with the other arguments.

    arguments: what --help calls the arguments that are no flags; if empty, the script takes none.
    """
    script, invocation = _names()
    if sys.platform != "linux":
        sys.exit(f"{script}: this program needs Linux, and here is {sys.platform}; on Windows WSL has it")
    _open_standard_streams()
    interrupts.raise_once()

    def parse(argv: list[str]) -> list[str]:
        if HELP_FLAGS & set(argv[1:]):
            print(_documentation().strip())
            print(f"\nusage: python {invocation} [--FLAG=VALUE ...] {arguments}".rstrip())
            print(help_text(classes))
            _end(0)
        try:
            _refuse_flags_of_absl(argv)
            rest = FLAGS(argv)
        except (flags.Error, ValueError) as error:  # Python does not print integers of 5,000 digits
            _end(f"{script}: {one_line(error)}; `python {invocation} --help` lists the flags")
        if len(rest) > 1 and not arguments:
            unknown = quoted(rest[1])
            _end(f"{script}: unknown argument {unknown}; `python {invocation} --help` lists the flags")
        return rest

    def guarded(argv: list[str]) -> None:
        try:
            main(argv[1:])
        except OutputError:
            raise
        except errors as error:
            _end(f"{script}: {one_line(error)}")
        except KeyboardInterrupt:
            _end(interrupts.EXIT_INTERRUPTED)
        except Exception:
            if interrupts.came():
                _end(interrupts.EXIT_INTERRUPTED)
            raise
        _end(0)

    try:
        app.run(guarded, flags_parser=parse)
    except OutputError as error:
        _give_up_output()
        if isinstance(error.__cause__, BrokenPipeError):
            sys.exit(EXIT_CLOSED_PIPE)
        sys.exit(f"{script}: standard output: {error}")


def _documentation() -> str:
    """Of the program that runs, from its source: python -OO leaves it out of the module."""
    source = Path(sys.modules["__main__"].__file__ or "").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source), clean=False) or ""


def _names() -> tuple[str, str]:
    """Of the program that runs: what its messages call it, and what stands behind `python`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        script = Path(sys.argv[0]).name
        return script, script
    module = spec.name.removesuffix(".__main__")
    return module, f"-m {module}"


def one_line(error: Exception) -> str:
    """What an error says, in one line and without characters that a terminal obeys."""
    text = " ".join(str(error).split()) or type(error).__name__
    return printable(text)


def _refuse_flags_of_absl(argv: list[str]) -> None:
    """Raises UnrecognizedFlagError. Some of them read or write files, or start a debugger."""
    absls, own = {"flagfile", "undefok"}, set[str]()
    for module, defined in FLAGS.flags_by_module_dict().items():
        names = absls if module.startswith("absl.") else own
        names |= {name for flag in defined for name in (flag.name, flag.short_name) if name}
    for argument in argv[1 : argv.index("--") if "--" in argv else None]:
        name = argument.lstrip("-").partition("=")[0]
        if argument.startswith("-") and {name, name.removeprefix("no")} & (absls - own):
            raise flags.UnrecognizedFlagError(name)


def _end(status: int | str) -> None:
    sys.stdout.flush()  # now, while an error can still be reported
    sys.exit(status)


class _StandardOutput(io.FileIO):
    """Says of its errors that they are its own: a full disk elsewhere raises OSError too."""

    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error.strerror) from error


def _open_standard_streams() -> None:
    """Let nothing that is opened later take the place of a standard stream that the caller closed, and let
    text that the output's encoding lacks be escaped."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)
    old = sys.stdout or open(1, "w", closefd=False)
    old.flush()
    codecs.register_error("escaped", _escaped)
    raw: io.RawIOBase = _StandardOutput(1, "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), old.encoding, "escaped", line_buffering=old.isatty()
    )


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of a name that is no text, as they are; characters that the encoding lacks, as \\xe4."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


def _give_up_output() -> None:
    """What is left in buffers cannot be written, and Python would try it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
