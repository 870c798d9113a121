"""The embedded PostgreSQL: started once however many start it, private, and mended after every kind of sudden death."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from smmpanel.entrypoints.embedded import EmbeddedPostgres, EmbeddedPostgresError, database_for
from smmpanel.entrypoints.postgres_user import PostgresUser, open_the_way, user_for
from smmpanel.entrypoints.processes import command_of
from smmpanel.kernel.settings import Settings

FAST = {"fsync": "off"}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user run the server")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "home", FAST)
    yield server
    if server.home.exists():
        server.stop()


def ask(server: EmbeddedPostgres, question: str) -> object:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def postmaster_pid(server: EmbeddedPostgres) -> int:
    return int((server.pgdata / "postmaster.pid").read_text().split("\n")[0])


def test_a_start_gives_the_panels_database_to_the_panels_role(server):
    assert server.is_running() is False

    server.start()

    assert server.is_running() is True
    assert ask(server, "SELECT current_database() || ' ' || current_user") == "smmpanel smmpanel"
    assert ask(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert ask(server, "SHOW data_checksums") == "on"
    assert ask(server, "SHOW server_encoding") == "UTF8"
    assert ask(
        server, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
    ) == ("bC.UTF-8")


def test_without_options_the_server_is_durable_and_not_on_the_network(tmp_path):
    server = EmbeddedPostgres(tmp_path / "home")
    server.start()
    try:
        shown = {
            name: ask(server, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "shared_buffers")
        }
    finally:
        server.stop()

    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "shared_buffers": "96MB",
    }


def test_options_override_settings(server):
    server.start()

    assert ask(server, "SHOW fsync") == "off"


def test_only_the_owner_reaches_socket_and_data(server):
    server.start()

    for folder in (server.pgdata, server.home / "run"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.log.stat().st_mode) == 0o600


# Loaded as root, who may read where this is installed; then somebody else knocks.
KNOCK = """
import os, sys
import psycopg

psycopg.pq.version()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    psycopg.connect(sys.argv[1])
except psycopg.OperationalError as error:
    sys.exit(str(error))
"""


@AS_ROOT
def test_another_system_user_is_refused_even_at_the_open_socket(server):
    server.start()
    for folder in (server.home / "run", *server.home.parents, server.home):
        if folder.is_relative_to(server.home.parent):
            folder.chmod(0o755)
    (server.home / "run" / ".s.PGSQL.5432").chmod(0o777)

    tried = subprocess.run([sys.executable, "-c", KNOCK, server.url], capture_output=True, text=True, check=False)

    assert tried.returncode == 1
    assert "Peer authentication failed" in tried.stderr


@AS_ROOT
def test_the_way_is_opened_for_that_user_alone_and_only_to_pass(tmp_path):
    locked = tmp_path / "locked"
    (locked / "inside").mkdir(parents=True)
    (locked / "inside" / "note").write_text("hello")
    locked.chmod(0o700)
    nobody = PostgresUser("nobody", 65534, 65534)

    def may(uid: int, *command: str | Path) -> bool:
        done = subprocess.run(command, user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True, check=False)
        return done.returncode == 0

    assert may(nobody.uid, "cat", locked / "inside" / "note") is False
    for _ in range(2):
        open_the_way(nobody, locked / "inside")

    assert may(nobody.uid, "cat", locked / "inside" / "note") is True
    assert may(nobody.uid, "ls", locked) is False
    assert may(1, "cat", locked / "inside" / "note") is False


@AS_ROOT
def test_a_server_shut_out_of_its_files_is_let_in_again_at_the_next_start(server):
    server.start()
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        connection.execute("GRANT SELECT ON kept TO smmpanel")
        server.home.parent.chmod(0o700)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("CHECKPOINT")
    until_gone = time.monotonic() + 10
    while server.is_running():
        assert time.monotonic() < until_gone
        time.sleep(0.05)

    server.start()

    with psycopg.connect(server.admin_url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


AS_USER = """
import os, sys
from pathlib import Path
import smmpanel.entrypoints.embedded as embedded
from smmpanel.entrypoints.postgres_user import NoUserForPostgresError

embedded.program("postgres")
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
server = embedded.EmbeddedPostgres(Path(sys.argv[1]), {"fsync": "off"})
try:
    server.start()
except NoUserForPostgresError as error:
    sys.exit(str(error))
print(server.pgdata.stat().st_uid, server.is_running())
server.stop()
"""


def as_user(uid: int, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", AS_USER, home, str(uid)], capture_output=True, text=True, check=False)


@AS_ROOT
def test_an_ordinary_user_runs_the_server_as_themselves_and_root_may_help(server, tmp_path):
    user = user_for(tmp_path / "none")
    assert user.uid != 0
    server.home.mkdir()
    os.chown(server.home, user.uid, user.gid)

    server.start()
    assert server.pgdata.stat().st_uid == user.uid
    assert ask(server, "SELECT current_user") == "smmpanel"
    server.stop()

    assert as_user(user.uid, server.home).stdout == f"{user.uid} True\n"


@AS_ROOT
def test_an_ordinary_user_is_told_whose_data_it_is(server):
    server.home.mkdir()
    server.home.parent.chmod(0o755)
    server.start()
    server.stop()

    refused = as_user(65534, server.home)

    assert refused.returncode == 1
    assert f"{server.pgdata} belongs to the user smmpanel-db; run the panel as that user or as root" in refused.stderr


def test_data_stays_over_a_stop_and_a_start(server):
    server.start()
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    assert server.is_running() is False

    server.start()

    assert ask(server, "SELECT number FROM kept") == 7


def test_starting_twice_is_one_server(server):
    server.start()
    pid = postmaster_pid(server)

    EmbeddedPostgres(server.home, FAST).start()

    assert postmaster_pid(server) == pid


def test_processes_that_start_together_share_one_server(server):
    script = (
        "import sys; from pathlib import Path; from smmpanel.entrypoints.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1]), {'fsync': 'off'}); server.start()\n"
        "print((server.pgdata / 'postmaster.pid').read_text().splitlines()[0], flush=True); sys.stdin.read()\n"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, server.home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        said = [process.stdout.readline().strip() for process in both if process.stdout]
    finally:
        for process in both:
            process.communicate(timeout=20)

    assert said[0] == said[1] != ""
    assert [process.returncode for process in both] == [0, 0]


def test_the_last_to_let_go_stops_the_server(server):
    other = EmbeddedPostgres(server.home, FAST)
    server.start()
    other.start()

    server.release()
    assert other.is_running() is True

    other.release()
    assert other.is_running() is False


def test_a_command_uses_the_running_server_and_leaves_it_running(server):
    server.start()

    with database_for(Settings(home=server.home, database_url=None)) as url:
        assert url == server.url

    assert server.is_running() is True


def test_a_command_alone_starts_the_server_and_stops_it(server):
    with database_for(Settings(home=server.home, database_url=None)) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)

    assert server.is_running() is False


def test_a_given_database_starts_nothing(tmp_path):
    with database_for(Settings(home=tmp_path / "home", database_url="postgresql://elsewhere/panel")) as url:
        assert url == "postgresql://elsewhere/panel"

    assert not (tmp_path / "home").exists()


def test_a_killed_postmaster_is_replaced_and_nothing_committed_is_lost(server):
    server.start()
    connection = psycopg.connect(server.url, autocommit=True)
    connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(postmaster_pid(server), signal.SIGKILL)
    # This session's own server process is still there: the next start may not begin beside it.

    server.start()

    assert ask(server, "SELECT number FROM kept") == 7
    connection.close()


def test_a_server_process_busy_while_its_postmaster_dies_is_ended_first(server):
    server.start()
    connection = psycopg.connect(server.url)
    backend = connection.info.backend_pid
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 2000000000)")
    os.kill(postmaster_pid(server), signal.SIGKILL)
    time.sleep(0.5)
    assert command_of(backend) != []

    server.start()

    assert command_of(backend) == []
    connection.close()
    assert ask(server, "SELECT 1") == 1


@pytest.mark.parametrize("whose", ["somebody", "nobody"])
def test_a_pid_file_left_behind_does_not_hinder(server, whose):
    server.start()
    pid_file = server.pgdata / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    owner = pid_file.stat()
    os.kill(postmaster_pid(server), signal.SIGKILL)
    while command_of(int(lines[0])):
        time.sleep(0.02)
    stranger = subprocess.Popen(["sleep", "60"], user=owner.st_uid if os.geteuid() == 0 else None)
    try:
        number = str(stranger.pid) if whose == "somebody" else "4194300"
        pid_file.write_text("\n".join([number, *lines[1:]]))
        assert server.is_running() is False

        server.start()

        assert ask(server, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_first_start_killed_half_way_leaves_nothing_in_the_way(server):
    (server.home / "pgdata.new" / "base").mkdir(parents=True)
    (server.home / "pgdata.new" / "PG_VERSION").write_text("18\n")

    server.start()

    assert ask(server, "SELECT 1") == 1
    assert not (server.home / "pgdata.new").exists()


@pytest.mark.parametrize("name", ["with space", "a,comma:and'quote\"s", "deep/" + "/".join(["x" * 40] * 5)])
def test_any_home_will_do(tmp_path, name):
    server = EmbeddedPostgres(tmp_path / name, FAST)
    server.start()
    try:
        assert ask(server, "SELECT 1") == 1
        shown = subprocess.run(
            [server.bin("psql"), "-d", server.url, "-tAc", "SELECT 2"], capture_output=True, text=True, check=True
        )
        assert shown.stdout == "2\n"
    finally:
        server.stop()
    if not (server.home / "run").exists():
        server._socket_directory().rmdir()


def test_data_of_another_major_version_is_refused_and_left_alone(server):
    server.start()
    server.stop()
    (server.pgdata / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedPostgresError, match=r"written by PostgreSQL 17, this panel brings 18"):
        server.start()

    assert server.is_running() is False
    (server.pgdata / "PG_VERSION").write_text("18\n")


def test_a_server_that_cannot_start_says_why(tmp_path):
    server = EmbeddedPostgres(tmp_path / "home", {**FAST, "shared_buffers": "nonsense"})

    with pytest.raises(EmbeddedPostgresError, match=r'invalid value for parameter "shared_buffers": "nonsense"'):
        server.start()

    assert server.is_running() is False


def test_an_overgrown_log_is_cut_and_kept_once(server):
    server.start()
    with server.log.open("a") as log:
        log.write("x" * (10 * 1024 * 1024 + 1))

    server.trim_log()

    assert server.log.stat().st_size == 0
    assert (server.home / "postgres.log.1").stat().st_size > 10 * 1024 * 1024


def test_the_log_tells_of_a_refused_row_but_not_its_values(server):
    server.start()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE people (email text PRIMARY KEY)")
        connection.execute("INSERT INTO people VALUES (%s)", ["someone@example.com"])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO people VALUES (%s)", ["someone@example.com"])

    assert "duplicate key value" in server.log.read_text()
    assert "someone@example.com" not in server.log.read_text()


def test_memory_of_the_idle_server_stays_small(server):
    server.start()

    uid = server.pgdata.stat().st_uid
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid == uid and (entry / "cwd").readlink() == server.pgdata:
                rollup = (entry / "smaps_rollup").read_text()
                total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        except OSError:
            continue

    assert 0 < total < 60_000
