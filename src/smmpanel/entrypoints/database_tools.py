"""PostgreSQL's own programs against one server: a dump as a stream of bytes, and back in a single transaction."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from smmpanel.entrypoints.embedded import MAJOR_VERSION, program

_PIPE_BYTES = 256 * 1024


class DatabaseToolsError(RuntimeError):
    """One of PostgreSQL's programs is missing or has failed; the message is its own."""


def libpq_url(url: str) -> str:
    """Return an address as PostgreSQL's own programs want it, without the name of a driver."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


@dataclass(frozen=True)
class DatabaseTools:
    """The programs that fit one server, and how they reach it."""

    directory: Path
    conninfo: str
    password: str | None

    @classmethod
    def for_server(cls, connection: psycopg.Connection, url: str) -> "DatabaseTools":
        """Choose the programs: the panel's own, or the system's for a newer server or one that is reached over TLS."""
        parts = conninfo_to_dict(libpq_url(url))
        password = parts.pop("password", None)
        server_major = connection.info.server_version // 10_000
        # The panel's own are built without TLS, which a socket on the same machine does not need.
        if connection.pgconn.ssl_in_use or server_major > int(MAJOR_VERSION):
            directory = programs_of_the_system(server_major)
        else:
            directory = program("pg_dump").parent
        return cls(directory, make_conninfo("", **parts), None if password is None else str(password))

    def dump(self) -> Iterator[bytes]:
        """Yield a dump of the database as it is at this moment; raises at the end if it is not whole."""
        command = ["--format=custom", "--no-owner", "--no-privileges", "--dbname", self.conninfo]
        with tempfile.TemporaryFile() as said, self._start("pg_dump", command, said) as dumping:
            assert dumping.stdout is not None
            try:
                while part := dumping.stdout.read(_PIPE_BYTES):
                    yield part
                if dumping.wait() != 0:
                    raise DatabaseToolsError(f"the database could not be dumped: {_text(said)}")
            finally:
                dumping.kill()

    def restore(self, archive: Iterator[bytes], *, replacing: list[str], lock_timeout: str) -> list[int]:
        """Restore a dump, in place of these schemas, in one transaction; return the number of rows of each table.

        The archive is read in a thread of its own. If it raises, or anything else goes wrong, nothing has happened.
        """
        with (
            tempfile.TemporaryFile() as complaint,
            tempfile.TemporaryFile() as said,
            tempfile.TemporaryFile() as results,
            self._start(
                "pg_restore", ["--file=-", "--no-owner", "--no-privileges", "--exit-on-error"], complaint
            ) as reader,
            self._start(
                "psql", ["-X", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo, "-f", "-"], said, results
            ) as writer,
        ):
            feeder = _Feeder(archive, reader)
            try:
                if not self._relay(reader, writer, _prelude(replacing, lock_timeout)):
                    raise DatabaseToolsError(_refusal(writer, said))
                feeder.finish()
                if reader.wait() != 0:
                    raise DatabaseToolsError(f"the backup's content could not be read: {_text(complaint)}")
                # Only now: psql that meets the end of its input without this word leaves nothing behind. That covers
                # every way in which this process can die.
                _write(writer, b"COMMIT;\n")
                _close(writer)
                if writer.wait() != 0:
                    raise DatabaseToolsError(_refusal(writer, said))
            finally:
                for process in (writer, reader):
                    process.kill()
                    _close(process)
                feeder.finish_quietly()
            counts = _copied(results)
        self._analyze()
        return counts

    def _relay(self, reader: subprocess.Popen[bytes], writer: subprocess.Popen[bytes], prelude: bytes) -> bool:
        """Pass all statements on; false if psql has stopped at one, as it does at the first error."""
        assert reader.stdout is not None
        accepted = _write(writer, prelude)
        while accepted and (part := reader.stdout.read(_PIPE_BYTES)):
            accepted = _write(writer, part)
        return accepted

    def _analyze(self) -> None:
        # Plans made without statistics can be very slow until the database collects them by itself.
        with (
            tempfile.TemporaryFile() as said,
            self._start("psql", ["-X", "-d", self.conninfo, "-c", "ANALYZE"], said, said),
        ):
            pass

    def _start(
        self, name: str, arguments: list[str], said: IO[bytes], results: IO[bytes] | int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        # The password goes by the environment: a command line can be read by everybody on the machine.
        secret = {} if self.password is None else {"PGPASSWORD": self.password}
        return subprocess.Popen(
            [self.directory / name, *arguments],
            stdin=subprocess.PIPE,
            stdout=results,
            stderr=said,
            env={**os.environ, "PGOPTIONS": "", "LC_ALL": "C", **secret},
        )


class _Feeder:
    """Hands an archive to pg_restore while its output is read elsewhere."""

    def __init__(self, archive: Iterator[bytes], reader: subprocess.Popen[bytes]) -> None:
        self._archive = archive
        self._reader = reader
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="restore-feeder", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the end of the archive; raise what went wrong with it."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def finish_quietly(self) -> None:
        """Wait for the thread; what went wrong is known already."""
        self._thread.join()

    def _run(self) -> None:
        try:
            for part in self._archive:
                if not _write(self._reader, part):
                    return
            _close(self._reader)
        except BaseException as failure:  # noqa: BLE001  # handed to the thread that waits
            self._failure = failure
            self._reader.kill()


def programs_of_the_system(server_major: int) -> Path:
    """Find the programs that the machine itself has, if they are new enough for the server."""
    found = shutil.which("pg_dump")
    if found:
        shown = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        major = shown.rpartition(") ")[2].partition(".")[0]
        if major.isdecimal() and int(major) >= server_major:
            return Path(found).parent
    raise DatabaseToolsError(
        f"this server needs the programs pg_dump, pg_restore and psql of PostgreSQL {server_major} or newer on the path "
        f"(on Debian and Ubuntu: postgresql-client-{server_major}); the panel's own speak no TLS"
    )


def _prelude(replacing: list[str], lock_timeout: str) -> bytes:
    lines = [sql.SQL("BEGIN;"), sql.SQL("SET LOCAL lock_timeout = {};").format(sql.Literal(lock_timeout))]
    lines += [sql.SQL("DROP SCHEMA {} CASCADE;").format(sql.Identifier(schema)) for schema in replacing]
    if "public" in replacing:
        lines += [
            sql.SQL("CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;"),
            # As a new database has it. Where the role may not, owning the schema itself does as well.
            sql.SQL(
                "DO $$ BEGIN ALTER SCHEMA public OWNER TO pg_database_owner;"
                " EXCEPTION WHEN insufficient_privilege OR undefined_object THEN NULL; END $$;"
            ),
        ]
    return "\n".join(line.as_string(None) for line in lines).encode() + b"\n"


def _write(process: subprocess.Popen[bytes], part: bytes) -> bool:
    assert process.stdin is not None
    try:
        process.stdin.write(part)
        process.stdin.flush()
    except (BrokenPipeError, ValueError):  # the latter: closed already
        return False
    return True


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _copied(results: IO[bytes]) -> list[int]:
    results.seek(0)
    return [int(line[5:]) for line in results if line.startswith(b"COPY ")]


def _refusal(writer: subprocess.Popen[bytes], said: IO[bytes]) -> str:
    writer.wait()
    return f"the database refused the backup, and is as it was: {_text(said)}"


def _text(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read(4000).decode(errors="replace").strip()
