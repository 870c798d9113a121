"""The whole panel in one sealed file, and back: its database, and the keys without which the secrets in it are lost."""

import json
import os
import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import psycopg
from psycopg.conninfo import make_conninfo

from smmpanel.entrypoints.database_tools import DatabaseTools, DatabaseToolsError, libpq_url
from smmpanel.entrypoints.sealing import SealedFileError, seal, unseal
from smmpanel.kernel.crypto import KEYS_FILE

PASSPHRASE_CHARACTERS_MIN = 12
RESTORE_LOCK_TIMEOUT = "20s"
_LENGTH = struct.Struct(">I")
_MANIFEST_BYTES_MAX = 1024 * 1024

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, the bytes done so far, and how many there are if that is known."""


class BackupError(RuntimeError):
    """A backup could not be made or restored; nothing was changed. The message says why."""


@dataclass(frozen=True)
class BackupReport:
    """What was put into a backup."""

    path: Path
    bytes: int
    revision: str | None
    keys: int


@dataclass(frozen=True)
class RestoreReport:
    """What a restore brought back."""

    made_at: datetime
    revision: str | None
    tables: int
    rows: int
    keys_written: Path | None
    """The key ring's file, if it was written; a ring given by setting must hold the keys already."""
    keys_set_aside: Path | None
    """Where the former key ring of this home was kept, if there was another."""


@dataclass(frozen=True)
class _Manifest:
    made_at: datetime
    revision: str | None
    keys: list[str]


def keys_for_backup(home: Path, given: str | None) -> list[str]:
    """Return the key ring in use: the given one, or that of the home."""
    if given:
        return [key.strip() for key in given.split(",") if key.strip()]
    path = home / KEYS_FILE
    if not path.exists():
        raise BackupError(f"there is no key ring in {home}: has this panel ever run?")
    return path.read_text().split()


def backup(
    database_url: str,
    target: Path,
    *,
    passphrase: str,
    keys: Sequence[str],
    now: datetime,
    progress: Progress | None = None,
) -> BackupReport:
    """Write a consistent backup of a panel, which may go on working meanwhile, to a new file of its owner alone."""
    _check_passphrase(passphrase)
    if not keys:
        raise BackupError("a backup without keys would lose every secret in it")
    if target.exists():
        raise BackupError(f"{target} exists already")
    if not target.absolute().parent.is_dir():
        raise BackupError(f"there is no directory {target.absolute().parent}")
    with _connect(database_url) as connection:
        tools = DatabaseTools.for_server(connection, database_url)
        manifest = _Manifest(made_at=now, revision=_revision(connection), keys=list(keys))
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            seal(_counted(_content(manifest, tools), "Backing up", None, progress), passphrase, file)
            file.flush()
            os.fsync(file.fileno())
        size = draft.stat().st_size
        draft.rename(target)
        _sync_directory(target.absolute().parent)
    except DatabaseToolsError as error:
        raise BackupError(str(error)) from error
    finally:
        draft.unlink(missing_ok=True)
    return BackupReport(path=target, bytes=size, revision=manifest.revision, keys=len(manifest.keys))


def restore(
    database_url: str,
    source: Path,
    *,
    passphrase: str,
    home: Path,
    given_keys: str | None,
    now: datetime,
    force: bool = False,
    progress: Progress | None = None,
) -> RestoreReport:
    """Bring a backup back into an empty database, or with `force` in place of all that is in it: wholly or not at all.

    The keys follow the database: a process killed between the two leaves them in `secret.keys.restored`, and the same
    restore again, with `force`, completes it.
    """
    try:
        with source.open("rb") as file:
            manifest = _verify(file, passphrase, progress)
            _check_given_keys(manifest, given_keys)
            with _connect(database_url) as connection:
                schemas = _check_target(connection, force=force)
                tools = DatabaseTools.for_server(connection, database_url)
            staged = None if given_keys else _stage_keys(home, manifest.keys)
            try:
                counts = _restore_database(file, passphrase, tools, schemas if force else [], progress)
            except BaseException:
                if staged:
                    staged.unlink()
                raise
            written, aside = _install_keys(home, staged, now) if staged else (None, None)
    except (SealedFileError, DatabaseToolsError) as error:
        raise BackupError(str(error)) from error
    except FileNotFoundError:
        raise BackupError(f"there is no file {source}") from None
    return RestoreReport(
        made_at=manifest.made_at,
        revision=manifest.revision,
        tables=len(counts),
        rows=sum(counts),
        keys_written=written,
        keys_set_aside=aside,
    )


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Contents of the file ---------------------------------------------------------------------------------------------


def _content(manifest: _Manifest, tools: DatabaseTools) -> Iterator[bytes]:
    described = json.dumps(
        {"made_at": manifest.made_at.isoformat(), "revision": manifest.revision, "keys": manifest.keys}
    ).encode()
    yield _LENGTH.pack(len(described)) + described
    yield from tools.dump()


def _take_manifest(parts: Iterator[bytes]) -> tuple[_Manifest, bytes]:
    start = next(parts, b"")
    if len(start) < _LENGTH.size:
        raise SealedFileError("the backup is damaged")
    length = _LENGTH.unpack_from(start)[0]
    # The first piece is larger than any list of keys; only a stranger's file would say otherwise.
    if length > min(_MANIFEST_BYTES_MAX, len(start) - _LENGTH.size):
        raise SealedFileError("the backup is damaged")
    read = json.loads(start[_LENGTH.size : _LENGTH.size + length])
    manifest = _Manifest(datetime.fromisoformat(read["made_at"]), read["revision"], read["keys"])
    return manifest, start[_LENGTH.size + length :]


def _verify(file: BinaryIO, passphrase: str, progress: Progress | None) -> _Manifest:
    """Read the whole file, so that nothing is touched for the sake of a file that proves broken near its end."""
    size = os.fstat(file.fileno()).st_size
    parts = _counted(unseal(file, passphrase), "Checking", size, progress)
    manifest, _ = _take_manifest(parts)
    for _ in parts:
        pass
    return manifest


def _counted(parts: Iterator[bytes], doing: str, total: int | None, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    for part in parts:
        yield part
        done += len(part)
        if progress:
            progress(doing, done, total)


def _check_passphrase(passphrase: str) -> None:
    if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
        raise BackupError(f"the passphrase must have at least {PASSPHRASE_CHARACTERS_MIN} characters")


# Database -----------------------------------------------------------------------------------------------------------


def _connect(database_url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(
            make_conninfo(libpq_url(database_url), application_name="smmpanel backup"), autocommit=True
        )
    except psycopg.Error as error:
        raise BackupError(f"the database cannot be reached: {error}") from error


def _revision(connection: psycopg.Connection) -> str | None:
    if connection.execute("SELECT to_regclass('alembic_version') IS NULL").fetchone() == (True,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _check_target(connection: psycopg.Connection, *, force: bool) -> list[str]:
    """Return the schemas that the restore would replace; refuse if there is something in them, or somebody at work."""
    others = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    ).fetchone()
    if others is not None and others[0]:
        raise BackupError(f"{others[0]} other sessions use the database: stop the panel first")
    own = r"nspname !~ '^pg_' AND nspname <> 'information_schema'"
    things = connection.execute(
        f"SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE {own}"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = pg_class.oid AND d.deptype = 'e')"
    ).fetchone()
    if things is not None and things[0] and not force:
        raise BackupError(
            f"the database is not empty ({things[0]} tables and the like): restore with --force to replace all"
        )
    return [str(row[0]) for row in connection.execute(f"SELECT nspname FROM pg_namespace n WHERE {own}")]


def _restore_database(
    file: BinaryIO, passphrase: str, tools: DatabaseTools, schemas: list[str], progress: Progress | None
) -> list[int]:
    size = os.fstat(file.fileno()).st_size
    parts = _counted(unseal(file, passphrase), "Restoring", size, progress)
    _, first = _take_manifest(parts)

    def archive() -> Iterator[bytes]:
        yield first
        yield from parts

    return tools.restore(archive(), replacing=schemas, lock_timeout=RESTORE_LOCK_TIMEOUT)


# Keys ---------------------------------------------------------------------------------------------------------------


def _check_given_keys(manifest: _Manifest, given: str | None) -> None:
    ring = given.split(",") if given else manifest.keys
    if not set(manifest.keys) <= {key.strip() for key in ring}:
        raise BackupError(
            "SMMPANEL_SECRET_KEYS lacks keys that this backup was written with; unset it to restore them into the home"
        )


def _stage_keys(home: Path, keys: list[str]) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    staged = home / f"{KEYS_FILE}.restored"
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(keys) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return staged


def _install_keys(home: Path, staged: Path, now: datetime) -> tuple[Path, Path | None]:
    path = home / KEYS_FILE
    aside = None
    if path.exists() and path.read_text().split() != staged.read_text().split():
        aside = path.with_name(f"{KEYS_FILE}.before-{now:%Y%m%dT%H%M%S%f}")
        os.link(path, aside)
    staged.replace(path)
    return path, aside
