"""How commands end: exit codes that mean something, and the error that carries one."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of all commands but `up`, which has its own."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    UNREACHABLE = 5


EXIT_CODES = """\
\b
Exit codes:
  0 done
  1 failed, or differences were found
  2 wrong usage, or an invalid value
  3 not found
  4 refused, or in conflict with what is there
  5 the database or a provider cannot be reached, or is not ready
"""


class CommandError(Exception):
    """A command cannot do what it was asked; the message is one line for the operator."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
