"""What a command says when it fails, and the exit code that goes with it."""

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from smmpanel.entrypoints.embedded import EmbeddedPostgresError
from smmpanel.entrypoints.endings import CommandError, ExitCode
from smmpanel.entrypoints.postgres_user import NoUserForPostgresError
from smmpanel.kernel.errors import PanelError
from smmpanel.providers.protocol import ProviderFailure

_BY_STATUS = {
    401: ExitCode.REFUSED,
    402: ExitCode.REFUSED,
    403: ExitCode.REFUSED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.REFUSED,
    400: ExitCode.USAGE,
    413: ExitCode.USAGE,
    422: ExitCode.USAGE,
    429: ExitCode.UNREACHABLE,
    502: ExitCode.UNREACHABLE,
    503: ExitCode.UNREACHABLE,
    504: ExitCode.UNREACHABLE,
}


def explain(error: BaseException) -> tuple[ExitCode, str] | None:
    """Return the exit code and one line for an error that an operator can do something about; `None` for a mistake of ours."""
    found = _explain(error)
    if found is None:
        return None
    code, message = found
    return code, " ".join(message.split())


def _explain(error: BaseException) -> tuple[ExitCode, str] | None:
    match error:
        case CommandError():
            return error.code, str(error)
        case PanelError():
            return _BY_STATUS.get(error.status, ExitCode.FAILED), str(error)
        case ProviderFailure():
            return ExitCode.UNREACHABLE, f"the provider failed ({error.outcome}): {error.text}"
        case ValidationError():
            return ExitCode.USAGE, "; ".join(f"{_setting(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        case _:
            return _explain_ground(error)


def _explain_ground(error: BaseException) -> tuple[ExitCode, str] | None:
    match error:
        case OperationalError() | InterfaceError():
            return ExitCode.UNREACHABLE, f"the database cannot be used: {error.orig}"
        case DBAPIError() if error.connection_invalidated:
            return ExitCode.UNREACHABLE, f"the connection to the database was lost: {error.orig}"
        case EmbeddedPostgresError() | NoUserForPostgresError():
            return ExitCode.UNREACHABLE, str(error)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return ExitCode.FAILED, f"{where}{error.strerror or error}"
        case _:
            return None


def _setting(loc: tuple[int | str, ...]) -> str:
    name = ".".join(str(part) for part in loc)
    return name if name.isupper() else f"SMMPANEL_{name.upper()}"
