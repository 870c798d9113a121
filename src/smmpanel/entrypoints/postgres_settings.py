"""How the embedded PostgreSQL is set up: durable, small, and reachable by its owner alone."""

import os
from collections.abc import Mapping
from pathlib import Path

ADMIN_ROLE = "postgres"
PANEL_ROLE = "smmpanel"
PANEL_DATABASE = "smmpanel"
SOCKET_PORT = 5432
"""Only part of the socket's file name: the server listens on no network port."""

INITDB_OPTIONS = (
    "--encoding=UTF8",
    # Sorting by code point in the database; languages are a matter of pages. It also never changes with the
    # system's C library, so indexes stay valid when the data moves to another machine.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--data-checksums",
    "--auth=peer",
    f"--username={ADMIN_ROLE}",
)

SETTINGS: Mapping[str, str] = {
    # Nothing but a socket in a private directory; who connects is checked by the kernel (peer).
    "listen_addresses": "",
    "port": str(SOCKET_PORT),
    "unix_socket_permissions": "0700",
    # Two processes with a pool each, a few commands, and room for a benchmark's 64 clients.
    "max_connections": "120",
    # Money is in here: what was answered must survive a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Enough for the hot tables of a panel with millions of orders; the rest is in the system's cache anyway, where it
    # is not our memory. Much more would break the promise of running in 300 MB.
    "shared_buffers": "96MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "wal_buffers": "4MB",
    "huge_pages": "off",
    "temp_buffers": "4MB",
    # Each process costs some MB even when idle: no replication, no input-output workers (reads come from the cache),
    # two vacuum workers, and one helper for a long report.
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_replication_slots": "0",
    "max_logical_replication_workers": "0",
    "max_worker_processes": "2",
    "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "1",
    "autovacuum_max_workers": "2",
    "autovacuum_worker_slots": "4",
    # Short queries only: compiling them costs more than it saves, and much memory.
    "jit": "off",
    # A checkpoint rewrites whole pages into the log afterwards, so they come by the clock, not by volume. Recovery after
    # a crash then reads 2 GB at worst, which takes seconds.
    "max_wal_size": "2GB",
    "min_wal_size": "160MB",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    # Solid-state disks: a random read costs about what the next page costs.
    "random_page_cost": "1.1",
    "effective_io_concurrency": "16",
    # Orders and jobs are updated many times each; vacuum them by small steps, long before the default fifth is dead.
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_naptime": "30s",
    # A forgotten transaction keeps dead rows and locks alive.
    "idle_in_transaction_session_timeout": "5min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "iso, ymd",
    "lc_messages": "C",
    "default_text_search_config": "pg_catalog.simple",
    # The log holds trouble only, and never a value: details of a violated constraint quote rows, and so would parameters.
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_error_verbosity": "terse",
    "log_line_prefix": "%m [%p] %q%u ",
    "log_min_duration_statement": "2s",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_startup_progress_interval": "10s",
    "log_autovacuum_min_duration": "-1",
}


def write_settings(pgdata: Path, socket_directory: Path, os_users: set[str], options: Mapping[str, str]) -> None:
    """Write the server's files anew, so that an upgrade of the panel upgrades them; `ALTER SYSTEM` still wins."""
    settings = {**SETTINGS, "unix_socket_directories": _in_double_quotes(str(socket_directory)), **options}
    lines = [f"{name} = {_in_quotes(value)}" for name, value in settings.items()]
    _write(pgdata / "postgresql.conf", ["# Written at each start of the panel. Change it with ALTER SYSTEM.", *lines])
    _write(pgdata / "pg_hba.conf", ["local all all peer map=panel"])
    _write(
        pgdata / "pg_ident.conf",
        [f"panel {_in_double_quotes(user)} {role}" for user in sorted(os_users) for role in (ADMIN_ROLE, PANEL_ROLE)],
    )


def _write(path: Path, lines: list[str]) -> None:
    owner = path.parent.stat()
    draft = path.with_name(path.name + ".next")
    draft.write_text("\n".join(lines) + "\n")
    draft.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(draft, owner.st_uid, owner.st_gid)
    draft.replace(path)


def _in_quotes(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _in_double_quotes(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
