"""Looking at everything that the panel stands on, as `smmpanel doctor` does. Changes nothing but what starting a database does."""

import asyncio
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import select, text

from smmpanel.entrypoints.embedded import database_for
from smmpanel.entrypoints.explaining import explain
from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.crypto import KEYS_FILE, load_vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.queue_state import queue_state
from smmpanel.kernel.settings import Settings
from smmpanel.notifications import AlertLevel, open_alerts
from smmpanel.notifications.handing_over import FOLDER
from smmpanel.notifications.mail_line import MailLineError, mail_line
from smmpanel.notifications.sending import mails_waiting
from smmpanel.providers.health import health_of
from smmpanel.providers.models import Provider

PYTHON_MIN = (3, 11)
POSTGRES_MIN = 150_000
DISK_WARN_BYTES = 2 * 1024**3
DISK_FAIL_BYTES = 256 * 1024**2
CLOCK_WARN_SECONDS = 2.0
CLOCK_FAIL_SECONDS = 30.0
HEARTBEAT_SECONDS = 45.0
PROVIDER_WINDOW = timedelta(hours=1)
ERROR_SHARE_PERCENT = 20


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look has shown."""

    check: str
    verdict: Verdict
    found: str


def examine(settings: Settings) -> list[Finding]:
    """Look at everything, from the ground up; what stands on something that fails is not looked at."""
    findings = [_python(), *_home(settings), _keys(settings)]
    if settings.is_embedded and not (settings.home / "pgdata").exists():
        findings.append(Finding("database", Verdict.FAIL, "there is none yet: run `smmpanel init`"))
        return findings
    try:
        with database_for(settings) as url:
            findings += asyncio.run(_database(settings, url))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we were asked to find
        findings.append(Finding("database", Verdict.FAIL, _told(error)))
    return findings


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", Verdict.OK if sys.version_info >= PYTHON_MIN else Verdict.FAIL, found)


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.home.absolute()
    if not home.is_dir():
        yield Finding("home", Verdict.FAIL, f"{home} does not exist: run `smmpanel init`")
        return
    yield Finding("home", Verdict.OK, str(home))
    free = shutil.disk_usage(home).free
    verdict = Verdict.FAIL if free < DISK_FAIL_BYTES else Verdict.WARN if free < DISK_WARN_BYTES else Verdict.OK
    yield Finding("disk", verdict, f"{free / 1024**3:.1f} GB are free")


def _keys(settings: Settings) -> Finding:
    if settings.secret_keys is not None:
        return _readable_keys(settings, "from SMMPANEL_SECRET_KEYS")
    path = settings.home / KEYS_FILE
    if not path.exists():
        return Finding("keys", Verdict.FAIL, f"{path} does not exist; without it stored secrets cannot be read")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding("keys", Verdict.FAIL, f"others may read {path} ({mode:o}): chmod 600")
    return _readable_keys(settings, f"{len(path.read_text().split())} in {path}")


def _readable_keys(settings: Settings, found: str) -> Finding:
    try:
        load_vault(settings.home, settings.secret_keys.get_secret_value() if settings.secret_keys else None)
    except ValueError as wrong:
        return Finding("keys", Verdict.FAIL, f"{found}: {wrong}")
    return Finding("keys", Verdict.OK, found)


async def _database(settings: Settings, url: str) -> list[Finding]:
    db = Database(url, pool_size=2)
    try:
        async with db.transaction() as session:
            asked_at = datetime.now(UTC)
            number, version, its_now = (await session.execute(_SERVER)).one()
            skew = _skew(asked_at, its_now, datetime.now(UTC))
    finally:
        await db.close()
    findings = [
        Finding("database", Verdict.OK if number >= POSTGRES_MIN else Verdict.WARN, f"PostgreSQL {version}"),
        skew,
    ]
    try:
        async with open_panel(settings, url) as panel:
            findings.append(Finding("migrations", Verdict.OK, f"up to date; currency {panel.currency}"))
            for look in (_worker, _jobs, _providers, _mail, _alerts):
                findings += await look(panel)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we were asked to find
        findings.append(Finding("migrations", Verdict.FAIL, _told(error)))
    return findings


_SERVER = text(
    "SELECT current_setting('server_version_num')::int, current_setting('server_version'), clock_timestamp()"
)


def _skew(asked_at: datetime, its_now: datetime, answered_at: datetime) -> Finding:
    # Its moment lies somewhere between question and answer; only what sticks out is skew.
    seconds = max((asked_at - its_now).total_seconds(), (its_now - answered_at).total_seconds(), 0.0)
    verdict = (
        Verdict.FAIL if seconds > CLOCK_FAIL_SECONDS else Verdict.WARN if seconds > CLOCK_WARN_SECONDS else Verdict.OK
    )
    return Finding("clock", verdict, f"{seconds:.1f} s apart from the database's")


async def _worker(panel: Panel) -> list[Finding]:
    async with panel.db.transaction() as session:
        state = await queue_state(session)
    if state.last_heartbeat is None:
        return [Finding("worker", Verdict.WARN, "none is running")]
    age = (panel.clock() - state.last_heartbeat).total_seconds()
    verdict = Verdict.OK if age < HEARTBEAT_SECONDS else Verdict.WARN
    return [Finding("worker", verdict, f"{state.workers} known, last heard of {max(age, 0):.0f} s ago")]


async def _jobs(panel: Panel) -> list[Finding]:
    async with panel.db.transaction() as session:
        state = await queue_state(session)
    verdict = Verdict.WARN if state.failed else Verdict.OK
    return [Finding("jobs", verdict, f"{state.waiting} waiting, {state.running} running, {state.failed} failed")]


async def _providers(panel: Panel) -> list[Finding]:
    async with panel.db.transaction() as session:
        providers = (await session.scalars(select(Provider).order_by(Provider.id))).all()
        health = await health_of(session, [one.id for one in providers], panel.clock() - PROVIDER_WINDOW)
    if not providers:
        return [Finding("providers", Verdict.WARN, "none is connected")]
    findings = []
    for one in providers:
        found = health[one.id]
        told = f"{found.calls} calls in the last hour, {found.failures} failed"
        verdict = Verdict.WARN if found.error_share * 100 > ERROR_SHARE_PERCENT else Verdict.OK
        if not one.enabled:
            verdict, told = Verdict.OK, "switched off"
        elif one.paused_at is not None:
            verdict, told = Verdict.FAIL, f"paused: {one.paused_reason}"
        elif (unreadable := _unreadable(panel, one)) is not None:
            verdict, told = Verdict.FAIL, unreadable
        findings.append(Finding(f"provider {one.slug}", verdict, told))
    return findings


def _unreadable(panel: Panel, provider: Provider) -> str | None:
    from smmpanel.kernel.errors import PanelError
    from smmpanel.providers.connecting import adapter_for

    try:
        adapter_for(panel, provider)
    except PanelError as wrong:
        return str(wrong)
    return None


async def _mail(panel: Panel) -> list[Finding]:
    async with panel.db.transaction() as session:
        waiting = await mails_waiting(session, now=panel.clock())
    if not panel.settings.can_mail:
        told = f"no mail server is set (SMMPANEL_SMTP_HOST); {waiting} mails wait"
        return [Finding("mail", Verdict.WARN, told)]
    if panel.settings.mails_go_to_folder:
        told = f"mails are kept in {panel.settings.home / FOLDER} and reach nobody (SMMPANEL_MAIL_TO_FOLDER)"
        return [Finding("mail", Verdict.WARN, told)]
    try:
        async with mail_line(panel.settings):
            return [Finding("mail", Verdict.OK, f"{panel.settings.smtp_host} lets us in; {waiting} mails wait")]
    except MailLineError as broken:
        return [Finding("mail", Verdict.FAIL, f"{panel.settings.smtp_host}: {broken}; {waiting} mails wait")]


async def _alerts(panel: Panel) -> list[Finding]:
    async with panel.db.transaction() as session:
        alerts = (await open_alerts(session)).rows
    verdict = {AlertLevel.CRITICAL: Verdict.FAIL}
    shown = [Finding("alert", verdict.get(one.level, Verdict.WARN), f"{one.kind} of {one.subject}") for one in alerts]
    return shown or [Finding("alerts", Verdict.OK, "none")]


def _told(error: BaseException) -> str:
    explained = explain(error)
    return explained[1] if explained else f"{type(error).__name__}: {error}".partition("\n")[0]
