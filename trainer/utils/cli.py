"""How the trainer's commands end: with a sentence for a person and a status for the shell."""

import sys
from collections.abc import Callable

GOES_ON = "The same command goes on from here."


class UserError(Exception):
    """What the user can mend; the message says how."""


def exit_status(work: Callable[[], None], stopped: str = "") -> int:
    """Do a command's work.

    Args:
        work: what the command does.
        stopped: what to know after Ctrl-C.

    Returns:
        0; 2 after what the user can mend, which is said on stderr; 130 after Ctrl-C.
    """
    try:
        work()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nStopped. {stopped}".rstrip())
        return 130
    return 0
