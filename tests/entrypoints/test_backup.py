"""Backups: the same panel comes back, on real databases; anything less than the whole file changes nothing."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from cryptography.fernet import Fernet

from smmpanel.entrypoints.backup import BackupError, backup, keys_for_backup, restore
from smmpanel.entrypoints.database_tools import DatabaseToolsError, programs_of_the_system
from smmpanel.entrypoints.embedded import EmbeddedPostgres, program
from smmpanel.entrypoints.sealing import PIECE_BYTES
from smmpanel.kernel.crypto import KEYS_FILE, load_vault

PASSPHRASE = "correct horse battery"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ROWS = 3000

FILL = f"""
CREATE TABLE alembic_version (version_num text);
INSERT INTO alembic_version VALUES ('0042');
CREATE SCHEMA aside;
CREATE TABLE aside.notes (text text);
INSERT INTO aside.notes VALUES ('Grüße, 你好'), (NULL);
CREATE TABLE money (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount numeric(24,6) NOT NULL, pad bytea);
INSERT INTO money (amount, pad)
  SELECT i / 7.0, decode(string_agg(md5(i::text || j), ''), 'hex')
  FROM generate_series(1, {ROWS}) i, generate_series(1, 64) j GROUP BY i;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON money FOR EACH ROW EXECUTE FUNCTION refuse();
"""
LOOK = "SELECT count(*), sum(amount), md5(string_agg(md5(pad), '' ORDER BY id)) FROM money"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with TemporaryDirectory(prefix="smmpanel-test-") as home:
        server = EmbeddedPostgres(Path(home), {"fsync": "off"})
        server.start()
        yield server
        server.stop()


@dataclass(frozen=True)
class Place:
    """A panel's database and home."""

    url: str
    home: Path

    def ask(self, question: str) -> tuple[object, ...] | None:
        with psycopg.connect(self.url) as connection:
            return connection.execute(question.encode()).fetchone()

    def tables(self) -> int:
        row = self.ask("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        assert row is not None
        return int(str(row[0]))

    def keys(self) -> list[str]:
        return (self.home / KEYS_FILE).read_text().split()


class Places:
    """Makes databases and homes as a test needs them."""

    def __init__(self, server: EmbeddedPostgres, here: Path) -> None:
        self._server, self._here = server, here
        self.names: list[str] = []

    def make(self, name: str) -> Place:
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}".encode())
            connection.execute(f"CREATE DATABASE {name}".encode())
        return Place(self._server.url.replace("/smmpanel?", f"/{name}?"), self._here / name)


@pytest.fixture
def places(server: EmbeddedPostgres, tmp_path: Path) -> Places:
    return Places(server, tmp_path)


@pytest.fixture
def panel(places: Places) -> Place:
    place = places.make("panel")
    load_vault(place.home, None)
    with psycopg.connect(place.url) as connection:
        connection.execute(FILL.encode())
    return place


@pytest.fixture
def saved(panel: Place, tmp_path: Path) -> Path:
    path = tmp_path / "panel.backup"
    backup(panel.url, path, passphrase=PASSPHRASE, keys=panel.keys(), now=NOW)
    return path


def bring_back(saved: Path, place: Place, passphrase: str = PASSPHRASE, *, given: str | None = None, force=False):
    return restore(place.url, saved, passphrase=passphrase, home=place.home, given_keys=given, now=NOW, force=force)


def test_a_backup_restored_elsewhere_is_the_same_panel(panel, saved, places):
    other = places.make("other")

    report = bring_back(saved, other)

    assert other.ask(LOOK) == panel.ask(LOOK)
    assert other.ask("SELECT array_agg(text ORDER BY text) FROM aside.notes") == (["Grüße, 你好", None],)
    assert other.keys() == panel.keys()
    assert stat.S_IMODE((other.home / KEYS_FILE).stat().st_mode) == 0o600
    assert (report.made_at, report.revision, report.tables, report.rows) == (NOW, "0042", 3, 1 + 2 + ROWS)
    assert (report.keys_written, report.keys_set_aside) == (other.home / KEYS_FILE, None)
    with pytest.raises(psycopg.errors.RaiseException, match="no"), psycopg.connect(other.url) as connection:
        connection.execute("DELETE FROM money")
    assert sorted(path.name for path in other.home.iterdir()) == [KEYS_FILE]


def test_secrets_sealed_before_open_after(panel, saved, places):
    sealed = load_vault(panel.home, None).seal("the provider's key")
    other = places.make("other")

    bring_back(saved, other)

    assert load_vault(other.home, None).open(sealed) == "the provider's key"


def test_the_file_is_its_owners_alone_and_tells_nothing(panel, saved, tmp_path):
    content = saved.read_bytes()

    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert len(content) > 3 * PIECE_BYTES, "several pieces, or the tests below prove less than they say"
    for told in (b"money", b"PGDMP", panel.keys()[0].encode(), b"0042"):
        assert told not in content
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_an_existing_file_is_never_overwritten(panel, tmp_path):
    path = tmp_path / "precious"
    path.write_text("mine")

    with pytest.raises(BackupError, match="exists already"):
        backup(panel.url, path, passphrase=PASSPHRASE, keys=panel.keys(), now=NOW)

    assert path.read_text() == "mine"


BACK_UP = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from smmpanel.entrypoints.backup import BackupError, backup

try:
    backup(sys.argv[1] if len(sys.argv) > 2 else sys.stdin.read(), Path(sys.argv[-1]), passphrase="x" * 12, keys=["k"],
           now=datetime.now(UTC))
except BackupError as error:
    sys.exit(str(error))
"""


def test_a_backup_that_fails_leaves_no_file(panel, tmp_path):
    with psycopg.connect(panel.url) as holder:
        holder.execute("ALTER TABLE money OWNER TO CURRENT_USER")
        dump = subprocess.Popen(
            [
                sys.executable,
                "-c",
                BACK_UP,
                panel.url,
                tmp_path / "never",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        waits = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock'"
        with psycopg.connect(panel.url, autocommit=True) as watcher:
            while (waiting := watcher.execute(waits).fetchone()) is None:
                assert dump.poll() is None
                time.sleep(0.05)
            watcher.execute("SELECT pg_terminate_backend(%s)", waiting)
        _, said = dump.communicate(timeout=20)

    assert dump.returncode == 1
    assert "the database could not be dumped: pg_dump: error:" in said
    assert [path.name for path in tmp_path.iterdir() if "never" in path.name] == []


@pytest.mark.parametrize("passphrase", ["", "eleven char"])
def test_a_short_passphrase_is_refused(panel, tmp_path, passphrase):
    with pytest.raises(BackupError, match="at least 12 characters"):
        backup(panel.url, tmp_path / "b", passphrase=passphrase, keys=panel.keys(), now=NOW)


def test_a_wrong_passphrase_changes_nothing(saved, places):
    other = places.make("other")

    with pytest.raises(BackupError, match="the passphrase is wrong, or the backup is damaged"):
        bring_back(saved, other, "correct horse batterx")

    assert other.tables() == 0
    assert not other.home.exists()


def flipped(content: bytes, at: int, bit: int = 1) -> bytes:
    return content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]


HEAD_BYTES = 18 + 19
DAMAGE: dict[str, Callable[[bytes, list[bytes]], bytes]] = {
    "one bit in the middle": lambda head, pieces: flipped(head + b"".join(pieces), PIECE_BYTES * 3 // 2),
    "one bit at the end": lambda head, pieces: flipped(head + b"".join(pieces), -1 + len(head + b"".join(pieces)), 128),
    "one bit of the salt": lambda head, pieces: flipped(head, HEAD_BYTES - 1) + b"".join(pieces),
    "cut in a piece": lambda head, pieces: (head + b"".join(pieces))[:-1000],
    "cut between pieces": lambda head, pieces: head + b"".join(pieces[:2]),
    "cut to the header": lambda head, _: head,
    "cut in the header": lambda head, _: head[:20],
    "two pieces swapped": lambda head, pieces: head + b"".join([pieces[1], pieces[0], *pieces[2:]]),
    "one piece left out": lambda head, pieces: head + b"".join([pieces[0], *pieces[2:]]),
    "something added": lambda head, pieces: head + b"".join(pieces) + b"x",
    "the last piece twice": lambda head, pieces: head + b"".join([*pieces, pieces[-1]]),
    "a costlier key": lambda head, pieces: head[:18] + bytes([30]) + head[19:] + b"".join(pieces),
    "another format": lambda head, pieces: b"PGDMP" + head[5:] + b"".join(pieces),
    "nothing in it": lambda *_: b"",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_refused_before_the_database_is_touched(panel, saved, tmp_path, how):
    broken = tmp_path / "broken"
    content = saved.read_bytes()
    piece = PIECE_BYTES + 16
    pieces = [content[i : i + piece] for i in range(HEAD_BYTES, len(content), piece)]
    broken.write_bytes(DAMAGE[how](content[:HEAD_BYTES], pieces))
    assert broken.read_bytes() != content
    before, keys = panel.ask(LOOK), panel.keys()

    with pytest.raises(BackupError, match=r"damaged|cut off|not a backup"):
        bring_back(broken, panel, force=True)

    assert panel.ask(LOOK) == before
    assert panel.keys() == keys
    assert not (panel.home / "secret.keys.restored").exists()


def test_a_database_in_use_or_not_empty_is_refused(saved, places):
    other = places.make("other")
    with psycopg.connect(other.url) as connection:
        connection.execute("CREATE TABLE here (x int)")
        connection.commit()
        with pytest.raises(BackupError, match=r"1 other sessions use the database: stop the panel first"):
            bring_back(saved, other, force=True)

    with pytest.raises(BackupError, match=r"is not empty \(1 tables and the like\)"):
        bring_back(saved, other)

    assert other.tables() == 1
    assert not other.home.exists()


def test_force_replaces_all_and_sets_the_former_keys_aside(panel, saved, places):
    other = places.make("other")
    load_vault(other.home, None)
    former = other.keys()
    with psycopg.connect(other.url) as connection:
        connection.execute("CREATE TABLE newer (x int); CREATE TABLE money (other text); CREATE SCHEMA more")

    for _ in range(2):
        report = bring_back(saved, other, force=True)

    assert other.ask(LOOK) == panel.ask(LOOK)
    assert other.tables() == 2
    assert other.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'more'") == (0,)
    assert other.keys() == panel.keys()
    assert (other.home / f"{KEYS_FILE}.before-20260304T050607000000").read_text().split() == former
    assert report.keys_set_aside is None
    bring_back(saved, places.make("third"))


def test_given_keys_must_hold_those_of_the_backup(panel, saved, places):
    other = places.make("other")
    newer = Fernet.generate_key().decode()

    with pytest.raises(BackupError, match="SMMPANEL_SECRET_KEYS lacks keys"):
        bring_back(saved, other, given=newer)
    assert other.tables() == 0

    report = bring_back(saved, other, given=",".join([newer, *panel.keys()]))

    assert report.keys_written is None
    assert not other.home.exists()
    assert other.ask(LOOK) == panel.ask(LOOK)


RESTORE = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from smmpanel.entrypoints.backup import restore

def slow(doing, done, total):
    if doing == "Restoring":
        print(done, flush=True)
        time.sleep(0.3)

restore(sys.argv[1], Path(sys.argv[2]), passphrase=sys.argv[3], home=Path(sys.argv[4]), given_keys=None,
        now=datetime.now(UTC), force=True, progress=slow)
"""


def test_a_restore_killed_half_way_leaves_the_database_as_it_was_and_can_be_done_again(panel, saved, places):
    other = places.make("other")
    with psycopg.connect(other.url) as connection:
        connection.execute("CREATE TABLE here AS SELECT 7 AS number")
    restoring = subprocess.Popen(
        [sys.executable, "-c", RESTORE, other.url, saved, PASSPHRASE, other.home], stdout=subprocess.PIPE, text=True
    )
    assert restoring.stdout is not None
    first, second = restoring.stdout.readline(), restoring.stdout.readline()
    assert 0 < int(first) < int(second) < saved.stat().st_size - PIECE_BYTES

    restoring.send_signal(signal.SIGKILL)
    restoring.communicate()
    gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 20
    while other.ask(gone) != (0,):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert other.tables() == 1
    assert other.ask("SELECT number FROM here") == (7,)
    assert not (other.home / KEYS_FILE).exists()
    bring_back(saved, other, force=True)
    assert other.ask(LOOK) == panel.ask(LOOK)
    assert other.keys() == panel.keys()


def test_a_dump_that_the_database_refuses_changes_nothing(saved, places):
    other = places.make("other")
    with psycopg.connect(other.url) as connection:
        # A type is no table: the database counts as empty, and its name is taken all the same.
        connection.execute("CREATE TYPE money_id_seq AS ENUM ('in the way')")

    with pytest.raises(BackupError, match=r"the database refused the backup, and is as it was: .*money_id_seq"):
        bring_back(saved, other)

    assert other.tables() == 0
    assert not (other.home / KEYS_FILE).exists()
    assert not (other.home / "secret.keys.restored").exists()


def test_progress_reaches_the_end(panel, saved, places, tmp_path):
    seen: list[tuple[str, int, int | None]] = []

    restore(
        places.make("other").url,
        saved,
        passphrase=PASSPHRASE,
        home=tmp_path / "h",
        given_keys=None,
        now=NOW,
        progress=lambda *step: seen.append(step),
    )

    size = saved.stat().st_size
    assert {(doing, total) for doing, _, total in seen} == {("Checking", size), ("Restoring", size)}
    for doing in ("Checking", "Restoring"):
        done = [amount for name, amount, _ in seen if name == doing]
        assert done == sorted(done)
        assert size * 0.99 < done[-1] <= size


def test_a_password_never_stands_on_a_command_line(panel, tmp_path):
    with psycopg.connect(panel.url) as holder:
        holder.execute("LOCK TABLE money IN ACCESS EXCLUSIVE MODE")
        url = panel.url.replace("smmpanel@", "smmpanel:hunter2@")
        process = subprocess.Popen(
            [sys.executable, "-c", BACK_UP, tmp_path / "b"], stdin=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        assert process.stdin is not None
        process.stdin.write(url)
        process.stdin.close()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 20
        while not (pids := children.read_text().split()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        until_exec = time.monotonic() + 5
        while b"pg_dump" not in (line := Path(f"/proc/{pids[0]}/cmdline").read_bytes()):
            assert time.monotonic() < until_exec
        os.kill(int(pids[0]), signal.SIGKILL)
        process.wait(20)

    assert b"hunter2" not in line
    assert not (tmp_path / "b").exists()


def test_keys_come_from_the_setting_or_the_home(tmp_path):
    with pytest.raises(BackupError, match="there is no key ring"):
        keys_for_backup(tmp_path, None)
    load_vault(tmp_path, None)

    assert keys_for_backup(tmp_path, None) == (tmp_path / KEYS_FILE).read_text().split()
    assert keys_for_backup(tmp_path, "a, b,") == ["a", "b"]


def test_a_server_that_our_own_programs_cannot_reach_needs_those_of_the_system(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatabaseToolsError, match=r"needs the programs .* of PostgreSQL 18 or newer on the path"):
        programs_of_the_system(18)

    (tmp_path / "pg_dump").symlink_to(program("pg_dump"))

    assert programs_of_the_system(18) == tmp_path
    with pytest.raises(DatabaseToolsError, match="PostgreSQL 19 or newer"):
        programs_of_the_system(19)
