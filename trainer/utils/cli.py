"""The trainer's command lines: flags in, a sentence for a person and an exit status out."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

Flags = TypeVar("Flags")

RESUME_HINT = "the same command continues from here."


class UserError(Exception):
    """An error that the user can mend; the message says how."""


def command_line(
    flags: type[Flags], work: Callable[[Flags], None], module: str, stopped: str = ""
) -> Callable[[list[str]], int]:
    """The `main` of a command.

    Args:
        flags: dataclass with a field and its docstring for each flag.
        work: called with the flags.
        module: name after `python -m`.
        stopped: as of `exit_status`.

    Returns:
        A function from the arguments to the exit status; see `exit_status`.
    """
    # `trainer` imports this module before it handles Ctrl-C, which may come inside this import.
    import tyro

    def main(arguments: list[str]) -> int:
        program, config = f"python -m {module}", (tyro.conf.FlagCreatePairsOff,)
        given = tyro.cli(flags, prog=program, args=arguments, config=config)
        return exit_status(partial(work, given), stopped)

    return main


def exit_status(work: Callable[[], None], stopped: str = "") -> int:
    """Do a command's work.

    Args:
        work: the work.
        stopped: advice after Ctrl-C, the rest of a sentence that begins with "Stopped:".

    Returns:
        0; 2 for a user error, which is printed on stderr; 130 after Ctrl-C.
    """
    program = signal.getsignal(signal.SIGINT) is _end
    if program:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        work()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nStopped: {stopped}" if stopped else "\nStopped.")
        return 130
    finally:
        if program:  # all is said; Python prints a traceback where it is stopped while it ends
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    return 0


@contextmanager
def importing() -> Iterator[None]:
    """End the program at once on Ctrl-C inside the block, which only imports.

    Raised inside an import, KeyboardInterrupt becomes an ImportError or a traceback where a library
    catches it in C.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        end_at_once()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def end_at_once() -> None:
    """End the program at once on Ctrl-C, until `exit_status` begins its work."""
    signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    """Say that nothing was done, and end; `print` might have been interrupted in itself."""
    with suppress(OSError):
        os.write(1, b"\nStopped before anything was done.\n")
    os._exit(130)
