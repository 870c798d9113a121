"""Commands, each through the command line, on a prepared database."""

import asyncio
import csv
import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from typer.testing import CliRunner, Result

from smmpanel.entrypoints.cli import app
from smmpanel.entrypoints.opening import prepare_panel
from smmpanel.kernel.crypto import KEYS_FILE
from smmpanel.kernel.settings import Settings
from smmpanel.sandbox.process import SandboxProcess

OK, FAILED, USAGE, NOT_FOUND, REFUSED, UNREACHABLE = range(6)


class Shell:
    """Types commands."""

    def __init__(self, database_url: str, home: Path) -> None:
        self.database_url = database_url
        self.home = home

    def __call__(self, *arguments: str, code: int = OK, given: str | None = None) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=given, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str, code: int = OK) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def refusal(self, *arguments: str, code: int) -> str:
        result = self(*arguments, code=code)
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr.removeprefix("error: ").rstrip()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def shell(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A command line on a panel in US dollars."""
    for name, value in {
        "SMMPANEL_HOME": str(tmp_path),
        "SMMPANEL_DATABASE_URL": database_url,
        "SMMPANEL_OUTGOING_ALLOW": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    asyncio.run(prepare_panel(Settings(preset="webbooster"), database_url, environ={}))
    with psycopg.connect(database_url) as connection:
        connection.execute("""UPDATE panel_options SET value = '"USD"' WHERE name = 'currency'""")
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    yield Shell(database_url, tmp_path)
    # Commands set logging up for their own process.
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    """A fake provider with forty services."""
    with SandboxProcess.start(services=40, seed=5, finish_after=0) as running:
        yield running


@pytest.fixture
def connected(shell: Shell, sandbox: SandboxProcess) -> Shell:
    """A command line on a panel that sells all that the fake provider has."""
    shell("provider", "add", "fake", "--url", sandbox.url, "--key", sandbox.key, "--currency", "USD")
    shell("sync-services", "--import", "all", "--markup", "50")
    return shell


# Usage --------------------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_what_exit_codes_mean():
    shown = CliRunner().invoke(app, ["--help"]).stdout

    commands = (
        "init serve worker up migrate admin user credit api-key provider sync-services update-orders check-balances orders"
        " services tiers ledger keys fx backup restore sandbox doctor"
    )
    for name in commands.split():
        assert f"\n  {name} " in shown
    for meaning in ("0 done", "1 failed", "2 wrong usage", "3 not found", "4 refused", "5 the database"):
        assert meaning in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["credit", "mai"],
        ["user", "list", "--limit", "0"],
        ["orders", "resolve", "1"],
        ["sandbox", "gateway", "--key", "nonsense"],
        ["sandbox", "gateway", "--key", "paystack.nothing=1"],
    ],
)
def test_wrong_usage_ends_with_two(shell, arguments):
    shell(*arguments, code=USAGE)


def test_a_wrong_setting_is_named(shell, monkeypatch):
    monkeypatch.setenv("SMMPANEL_PORT", "none")

    assert shell.refusal("user", "list", code=USAGE).startswith("SMMPANEL_PORT: ")


def test_a_home_without_a_panel_is_said_and_stays_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("SMMPANEL_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("SMMPANEL_DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    result = CliRunner().invoke(app, ["user", "list"])

    assert result.exit_code == UNREACHABLE
    assert "smmpanel init" in result.stderr
    assert not (tmp_path / "none").exists()


def test_a_database_that_is_not_there_ends_with_five(shell, monkeypatch):
    monkeypatch.setenv("SMMPANEL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")

    assert shell.refusal("user", "list", code=UNREACHABLE).startswith("the database cannot be used")


def test_a_database_that_nobody_set_up_ends_with_five(shell):
    with psycopg.connect(shell.database_url) as connection:
        connection.execute("DELETE FROM panel_options")

    assert "smmpanel migrate" in shell.refusal("user", "list", code=UNREACHABLE)


def test_init_again_keeps_the_panel_and_refuses_another_preset(shell):
    assert "was set up before: preset webbooster" in shell("init").stdout
    assert "cannot be changed" in shell.refusal("init", "--preset", "bumx", code=REFUSED)
    assert "known are: " in shell.refusal("init", "--preset", "nope", code=USAGE)


# People -------------------------------------------------------------------------------------------------------------


def test_a_user_is_made_with_a_password_that_is_shown_once(shell):
    made = shell.json("user", "create", "mai", "--email", "mai@example.com")

    assert (made["username"], made["role"], made["state"]) == ("mai", "customer", "active")
    assert len(made["password"]) == 20
    listed = shell.json("user", "list", "--role", "customer")
    assert [(one["username"], one["balance"], one["currency"]) for one in listed] == [("mai", "0.00", "USD")]
    assert "password" not in listed[0]


def test_a_given_password_is_read_from_input_and_not_printed(shell):
    made = shell(
        "user", "create", "mai", "--email", "mai@example.com", "--password-stdin", given="correct horse battery\n"
    )

    assert "correct horse" not in made.output
    shell("user", "create", "minh", "--email", "minh@example.com", "--password-stdin", given="short\n", code=USAGE)
    assert len(shell.json("user", "list", "--role", "customer")) == 1


def test_a_taken_name_is_refused(shell):
    shell("user", "create", "mai", "--email", "mai@example.com")

    assert (
        shell.refusal("user", "create", "Mai", "--email", "m@example.com", code=REFUSED) == "This user name is taken."
    )


def test_staff_are_made_by_admin_create(shell):
    shell("admin", "create", "lan", "--email", "lan@example.com", "--role", "staff")

    assert [one["username"] for one in shell.json("user", "list", "--role", "staff")] == ["lan"]
    assert shell.rows("SELECT actor_kind, permission FROM audit_log ORDER BY id DESC LIMIT 1") == [
        ("cli", "staff.edit")
    ]
    shell.refusal("admin", "create", "x", "--email", "x@example.com", "--role", "king", code=USAGE)


def test_who_shut_themselves_out_is_let_back_in(shell):
    shell("admin", "create", "lan", "--email", "lan@example.com")
    assert "Nothing was asked" in shell("admin", "open-door").stdout
    shell.rows(
        "INSERT INTO panel_options (name, value) VALUES"
        """ ('staff_door', '{"networks": ["10.0.0.0/8"], "second_factor": true}') RETURNING name"""
    )
    shell.rows(
        "INSERT INTO second_factors (user_id, secret) SELECT id, 'x' FROM users WHERE username = 'lan' RETURNING 1"
    )

    assert "open again" in shell("admin", "open-door").stdout
    assert "lan signs in with the password alone" in shell("user", "reset-second-factor", "lan").stdout

    assert shell.rows("SELECT count(*) FROM second_factors") == [(0,)]
    assert shell.rows("SELECT value ->> 'second_factor' FROM panel_options WHERE name = 'staff_door'") == [("false",)]
    assert shell.rows("SELECT actor_kind, subject FROM audit_log WHERE subject LIKE 'settings:%'") == [
        ("cli", "settings:staff_door")
    ]


def test_lists_go_on_where_they_stopped(shell):
    for name in ("ana", "ben", "cho"):
        shell("user", "create", name, "--email", f"{name}@example.com")

    first = shell("user", "list", "--role", "customer", "--limit", "2", "--json")
    cursor = first.stderr.rpartition("--after ")[2].strip()
    rest = shell.json("user", "list", "--role", "customer", "--limit", "2", "--after", cursor)

    assert [one["username"] for one in json.loads(first.stdout)] == ["ana", "ben"]
    assert [one["username"] for one in rest] == ["cho"]


def test_accounts_are_suspended_banned_and_let_back_in(shell):
    shell("user", "create", "mai", "--email", "mai@example.com")

    for verb, state in (("suspend", "suspended"), ("ban", "banned"), ("reactivate", "active")):
        assert shell("user", verb, "mai", "--reason", "as agreed").stdout == f"mai is {state}.\n"
        assert [one["username"] for one in shell.json("user", "list", "--state", state, "--role", "customer")] == [
            "mai"
        ]
    assert "cannot go from active to active" in shell.refusal(
        "user", "reactivate", "mai", "--reason", "x", code=REFUSED
    )
    assert shell.refusal("user", "ban", "nobody", "--reason", "x", code=NOT_FOUND) == "There is no such user."


# Money --------------------------------------------------------------------------------------------------------------


def test_credit_is_booked_once_per_key_and_audited(shell):
    shell("user", "create", "mai", "--email", "mai@example.com")

    first = shell.json("credit", "mai", "25.50", "--reason", "bank transfer", "--key", "t1")
    again = shell.json("credit", "mai", "25.50", "--reason", "bank transfer", "--key", "t1")
    shell("credit", "mai", "9", "--reason", "bank transfer", "--key", "t1", code=REFUSED)

    assert (first["balance"], first["was_done_before"]) == ("25.50", False)
    assert (again["balance"], again["changed_by"], again["was_done_before"]) == ("25.50", "0.00", True)
    audited = shell.rows("SELECT actor_kind, after FROM audit_log WHERE permission = 'users.balance'")
    assert audited == [
        ("cli", {"amount": "25.50", "currency": "USD", "kind": "adjustment", "reason": "bank transfer", "key": "t1"}),
    ]


def test_money_is_taken_back_by_a_negative_amount_but_never_more_than_is_there(shell):
    shell("user", "create", "mai", "--email", "mai@example.com")
    shell("credit", "mai", "10", "--reason", "gift")

    assert shell.json("credit", "mai", "-4", "--reason", "too much")["balance"] == "6.00"
    shell.refusal("credit", "mai", "-7", "--reason", "too much", code=REFUSED)
    assert shell.json("user", "list", "--role", "customer")[0]["balance"] == "6.00"


@pytest.mark.parametrize("amount", ["ten", "0", "1e400", "nan", "0.0000001"])
def test_an_amount_that_is_none_is_wrong_usage(shell, amount):
    shell("user", "create", "mai", "--email", "mai@example.com")

    shell.refusal("credit", "mai", amount, "--reason", "gift", code=USAGE)
    assert shell.rows("SELECT count(*) FROM ledger_transfers") == [(0,)]


def test_the_books_hold_until_somebody_tampers_with_them(shell):
    shell("user", "create", "mai", "--email", "mai@example.com")
    shell("credit", "mai", "10", "--reason", "gift")

    assert "the books hold" in shell("ledger", "verify").stdout
    assert shell.json("ledger", "verify")["differences"] == []
    with psycopg.connect(shell.database_url) as connection:
        connection.execute("UPDATE ledger_accounts SET balance = 11 WHERE kind = 'wallet'")

    found = shell.json("ledger", "verify", code=FAILED)["differences"]
    assert [(one["what"], Decimal(one["expected"]), Decimal(one["found"])) for one in found] == [("balance", 10, 11)]


def test_tiers_are_listed_and_what_was_spent_is_counted_anew(shell):
    shell("user", "create", "mai", "--email", "mai@example.com")
    with psycopg.connect(shell.database_url) as connection:
        connection.execute("INSERT INTO tiers (name, min_spent, discount) VALUES ('Bronze', 0, 0), ('Gold', 5, 10)")
        connection.execute("INSERT INTO user_spends (user_id, spent) SELECT id, 7 FROM users WHERE username = 'mai'")
        connection.execute("INSERT INTO order_spends SELECT 1, id, 6 FROM users WHERE username = 'mai'")

    assert shell.json("tiers", "recompute") == {"orders": 0, "orders_counted_now": 0, "users": 1, "users_corrected": 1}
    assert shell.json("tiers", "recompute")["users_corrected"] == 0
    assert shell.rows("SELECT spent, discount FROM user_spends") == [(Decimal(6), Decimal(10))]
    assert [(one["name"], one["level"], one["users"]) for one in shell.json("tiers", "list")] == [
        ("Bronze", 0, 0),
        ("Gold", 1, 1),
    ]


# API keys -----------------------------------------------------------------------------------------------------------


def test_an_api_key_is_printed_once_and_ends_when_revoked(shell):
    shell("user", "create", "mai", "--email", "mai@example.com")
    text = shell("api-key", "create", "mai", "--name", "shop", "--ip", "10.1.2.3/8", "--daily-cap", "5").stdout.strip()

    (key,) = shell.json("api-key", "list", "mai")
    assert text.startswith(f"smm_{key['prefix']}_")
    assert (key["name"], key["ip_list"], key["daily_spend_cap"]) == ("shop", ["10.0.0.0/8"], "5.00")
    shell("api-key", "revoke", str(key["id"]))
    assert shell.json("api-key", "list", "mai") == []
    assert [one["id"] for one in shell.json("api-key", "list", "mai", "--revoked")] == [key["id"]]
    shell.refusal("api-key", "revoke", str(key["id"]), code=NOT_FOUND)
    shell.refusal("api-key", "revoke", "999", code=NOT_FOUND)


# Providers and catalogue --------------------------------------------------------------------------------------------


def test_a_provider_is_connected_tried_and_switched(shell, sandbox):
    added = shell.json(
        "provider", "add", "fake", "--url", sandbox.url, "--key", sandbox.key, "--currency", "USD", "--alias", "North",
        "--rate-per-minute", "600", "--low-balance", "2000",
    )  # fmt: skip
    assert (added["slug"], added["alias"], added["state"], added["rate_per_minute"]) == (
        "fake",
        "North",
        "enabled",
        600,
    )

    tried = shell.json("provider", "test", "fake")
    assert (tried["ok"], tried["services"], Decimal(tried["balance"])) == (True, 40, 1000)
    (checked,) = shell.json("check-balances")
    assert (checked["provider"], Decimal(checked["balance"]), checked["low"]) == ("fake", 1000, True)
    shell("provider", "disable", "fake")
    assert shell.json("check-balances") == []
    shell("provider", "enable", "fake")
    assert [one["state"] for one in shell.json("provider", "list")] == ["enabled"]
    assert sandbox.key not in shell("provider", "list", "--json").output


def test_a_provider_that_does_not_answer_ends_with_five(shell):
    shell("provider", "add", "gone", "--url", "http://127.0.0.1:9/api/v2", "--key", "k", "--currency", "USD")

    assert shell.refusal("provider", "test", "gone", code=UNREACHABLE).startswith("gone: not_sent")
    assert shell.json("check-balances", code=UNREACHABLE)[0]["failure"] == "not_sent"
    assert shell.json("sync-services", code=UNREACHABLE)[0]["refused"] == "not_sent"


@pytest.mark.parametrize(
    "arguments",
    [
        ["provider", "test", "none"], ["provider", "enable", "none"], ["provider", "disable", "none"],
        ["sync-services", "--provider", "none"], ["check-balances", "--provider", "none"],
        ["orders", "list", "--provider", "none"],
    ],
)  # fmt: skip
def test_a_provider_that_there_is_not_is_named(shell, arguments):
    assert shell.refusal(*arguments, code=NOT_FOUND) == "there is no provider 'none'"


def test_a_key_comes_from_input_or_the_environment(shell, monkeypatch):
    add = ("provider", "add", "--url", "https://upstream.example/api/v2", "--currency", "USD")
    shell(*add, "one", "--key-stdin", given="first-key\n")
    assert "SMMPANEL_PROVIDER_KEY" in shell.refusal(*add, "none", code=USAGE)
    monkeypatch.setenv("SMMPANEL_PROVIDER_KEY", "second-key")
    shell(*add, "two")

    assert [one["slug"] for one in shell.json("provider", "list")] == ["one", "two"]


def test_syncing_keeps_the_catalogue_and_importing_puts_it_on_sale(shell, sandbox):
    shell("provider", "add", "fake", "--url", sandbox.url, "--key", sandbox.key, "--currency", "USD")

    (synced,) = shell.json("sync-services")
    assert (synced["listed"], synced["new"], synced["imported"]) == (40, 40, 0)
    ids = [one for (one,) in shell.rows("SELECT external_id FROM provider_services ORDER BY id LIMIT 2")]
    (picked,) = shell.json("sync-services", "--provider", "fake", "--import", f"{ids[0]},{ids[1]},nosuch")
    assert picked["imported"] == 2
    assert [(one["external_id"], one["reason"]) for one in picked["skipped"]] == [("nosuch", "not_listed")]
    (everything,) = shell.json("sync-services", "--import", "all")
    assert everything["imported"] == 38
    assert shell.json("sync-services", "--import", "all")[0]["imported"] == 0
    shell.refusal("sync-services", "--import", "1,2", code=USAGE)


def test_a_category_is_imported_with_its_own_markup(shell, sandbox):
    shell("provider", "add", "fake", "--url", sandbox.url, "--key", sandbox.key, "--currency", "USD")
    shell("sync-services")
    ((category, size),) = shell.rows(
        "SELECT category, count(*) FROM provider_services GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
    )

    (taken,) = shell.json("sync-services", "--provider", "fake", "--category", category.upper(), "--markup", "100")

    assert taken["imported"] == size
    rates = shell.rows(
        "SELECT s.rate, p.rate FROM services s JOIN service_routes r ON r.service_id = s.id"
        " JOIN provider_services p ON p.id = r.provider_service_id"
    )
    assert len(rates) == size
    assert all(ours == 2 * theirs for ours, theirs in rates)


def test_a_rate_between_currencies_is_needed_kept_and_listed(shell, sandbox):
    shell("provider", "add", "fake", "--url", sandbox.url, "--key", sandbox.key, "--currency", "EUR")

    assert "no exchange rate from EUR to USD" in shell.refusal("sync-services", "--import", "all", code=REFUSED)
    shell("fx", "set", "eur", "usd", "1.08")
    assert [(one["base"], one["quote"], one["rate"]) for one in shell.json("fx", "list")] == [("EUR", "USD", "1.08")]
    assert shell.json("sync-services", "--import", "all")[0]["imported"] == 40
    shell.refusal("fx", "set", "EUR", "USD", "much", code=USAGE)


def test_services_go_out_as_csv_and_come_back_all_or_none(connected, tmp_path):
    file = tmp_path / "services.csv"
    connected("services", "export", str(file))
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert len(rows) == 40
    assert connected("services", "export").stdout_bytes == file.read_bytes()
    assert connected.json("services", "import", str(file))["unchanged"] == 40

    rows[3]["fixed_rate"] = "77"
    write_csv(file, rows)
    assert connected.json("services", "import", str(file), "--dry-run")["changed"] == 1
    assert connected.rows("SELECT count(*) FROM services WHERE fixed_rate = 77") == [(0,)]
    assert connected.json("services", "import", str(file))["changed"] == 1
    assert connected.rows("SELECT count(*) FROM services WHERE fixed_rate = 77") == [(1,)]

    rows[3]["fixed_rate"], rows[4]["min"] = "88", "many"
    write_csv(file, rows)
    errors = connected.json("services", "import", str(file), code=FAILED)["errors"]
    assert [(one["line"], one["column"]) for one in errors] == [(6, "min")]
    assert connected.rows("SELECT count(*) FROM services WHERE fixed_rate = 88") == [(0,)]
    connected("services", "import", str(tmp_path / "none.csv"), code=FAILED)


def write_csv(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# Keys, and the state of things --------------------------------------------------------------------------------------


def test_rotating_keys_encrypts_anew_and_everything_stays_readable(connected):
    before = connected.rows("SELECT api_key_sealed FROM providers")
    ring = (connected.home / KEYS_FILE).read_text().split()

    said = connected("keys", "rotate").stdout

    assert said == "Encrypted anew: 1 provider keys, 0 payment methods, 0 units of stock, 0 second factors.\n"
    after = (connected.home / KEYS_FILE).read_text().split()
    assert after[1:] == ring
    assert len(after) == len(ring) + 1
    assert connected.rows("SELECT api_key_sealed FROM providers") != before
    assert connected.json("provider", "test", "fake")["ok"] is True


def test_keys_are_not_rotated_under_a_running_panel(connected):
    ring = (connected.home / KEYS_FILE).read_text()
    with psycopg.connect(connected.database_url):
        refused = connected.refusal("keys", "rotate", code=REFUSED)

    assert "stop the panel first" in refused
    assert (connected.home / KEYS_FILE).read_text() == ring


def test_doctor_tells_what_is_fine_and_what_is_not(connected):
    healthy = {one["check"]: one["verdict"] for one in connected.json("doctor")}
    assert healthy == {
        "python": "ok", "home": "ok", "disk": "ok", "keys": "ok", "database": "ok", "clock": "ok", "migrations": "ok",
        "worker": "warn", "jobs": "ok", "provider fake": "ok", "mail": "warn", "alerts": "ok",
    }  # fmt: skip

    (connected.home / KEYS_FILE).chmod(0o644)
    with psycopg.connect(connected.database_url) as connection:
        connection.execute("UPDATE providers SET paused_at = now(), paused_reason = 'Not enough funds'")
    sick = {one["check"]: (one["verdict"], one["found"]) for one in connected.json("doctor", code=FAILED)}
    assert sick["keys"][0] == "fail"
    assert sick["provider fake"] == ("fail", "paused: Not enough funds")


def test_doctor_reports_a_database_that_cannot_be_reached(shell, monkeypatch):
    monkeypatch.setenv("SMMPANEL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")

    found = {one["check"]: one["verdict"] for one in shell.json("doctor", code=FAILED)}

    assert found["database"] == "fail"
    assert "migrations" not in found
