"""Webhooks of a bank, from the request to the wallet, against `pgbench` running the same work one message at a time."""

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson

from benchmarks.comparing import pgbench_pace
from benchmarks.figures import Figure
from benchmarks.load import Load, drive
from benchmarks.place import Place
from benchmarks.seeding import Customer, tell_rate, with_panel
from smmpanel.accounts.access import Actor
from smmpanel.kernel.panel import Panel
from smmpanel.payments.methods import MethodTerms, add_method, enable_method, method_by
from smmpanel.payments.opening import insert_deposit
from smmpanel.payments.signing import hmac_text

CONNECTIONS = 32
WEB_PROCESSES = 2
AMOUNT = 100_000
SECRET = "made-for-measuring"
ACCOUNT = "123456789"
PATIENCE_SECONDS = 180
ROUNDS = 2
WARM_UP = 200
"""Messages before the clock starts: the worker has to be there, and caches filled."""
# Prepared statements must be told the types of what pgbench puts in.
VARIABLES = {
    "key": "concat(CAST(:number AS bigint), '-', CAST(:again AS bigint))",
    "deposit": "CAST(:deposit AS bigint)",
    "event": "CAST(:event AS bigint)",
    "receipt": "CAST(:receipt AS bigint)",
}

# What one message takes at the least: stored and committed; then found and locked, its deposit found and locked, looked
# whether the money is known, the wallet locked, money moved, and receipt, deposit, fact and message written. Signatures,
# reading, judging and the jobs that facts set off are left out, which favours this side.
SCRIPT = """
\\set deposit random({first}, {last})
\\set number random(1, 1000000000)
\\set again random(1, 1000000000)
INSERT INTO gateway_events (gateway, method_id, source, event_key, headers, body, digest, verdict)
  VALUES ('bench', {method}, 'webhook', concat('webhook', {key}), '{headers}',
  '{body}', '{digest}', 'hmac')
  ON CONFLICT (gateway, event_key) DO UPDATE SET repeats = gateway_events.repeats + 1 RETURNING id AS event \\gset
BEGIN;
SELECT * FROM gateway_events WHERE id = {event} FOR UPDATE SKIP LOCKED;
SELECT id FROM payment_receipts WHERE gateway = 'bench' AND external_id = {key};
SELECT id FROM deposits WHERE memo_code = (SELECT memo_code FROM deposits WHERE id = {deposit});
SELECT * FROM deposits WHERE id = {deposit} FOR NO KEY UPDATE;
SELECT pg_advisory_xact_lock(hashtextextended({key}, 0));
SELECT * FROM payment_receipts WHERE natural_key = {key} FOR UPDATE;
SELECT * FROM payment_receipts WHERE deposit_id = {deposit} AND source = 'staff' LIMIT 1;
INSERT INTO payment_receipts (gateway, method_id, source, external_id, natural_key, amount, currency, memo, event_id, deposit_id, state)
  VALUES ('bench', {method}, 'webhook', {key}, {key}, 100000, 'VND', 'x', {event},
  {deposit}, 'review') RETURNING id AS receipt \\gset
SELECT a.id, a.balance FROM ledger_accounts a JOIN deposits d ON d.user_id = a.owner_id WHERE d.id = {deposit}
  ORDER BY a.id FOR NO KEY UPDATE OF a;
UPDATE ledger_accounts SET balance = balance + 4
  WHERE kind = 'wallet' AND owner_id = (SELECT user_id FROM deposits WHERE id = {deposit});
INSERT INTO ledger_transfers (key, reason, debit_id, credit_id, amount, credit_balance, subject)
  SELECT concat('deposit', {key}), 'deposit', {source}, a.id, 4, a.balance, concat('deposit', chr(58), {deposit})
  FROM ledger_accounts a JOIN deposits d ON d.user_id = a.owner_id WHERE d.id = {deposit} AND a.kind = 'wallet';
UPDATE payment_receipts SET state = 'credited', credited = 4, rate = 0.00004, decided_at = now() WHERE id = {receipt};
UPDATE deposits SET received = received + 100000, credited = credited + 4, state = 'paid', paid_at = now() WHERE id = {deposit};
INSERT INTO facts (name, body) VALUES ('bench', '{fact}');
UPDATE gateway_events SET outcome = 'settled', processed_at = now(), deposit_id = {deposit} WHERE id = {event};
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class _Till:
    """A watched account, and what its deposits are recognised by."""

    method_id: int
    memos: list[str]
    ids: list[int]


def measure(place: Place, customers: list[Customer], *, messages: int, seconds: int) -> Figure:
    """Have a worker settle messages as they come in, and pgbench do the same, in turns."""
    took, against = 0.0, 0.0
    each = messages // ROUNDS
    with place.copy("webhooks") as here:
        till = _open_till(here, customers, ROUNDS * (WARM_UP + each))
        for start in range(0, len(till.memos), WARM_UP + each):
            ports = here.serve(WEB_PROCESSES)
            here.start("worker")
            _send(ports, till.memos[start : start + WARM_UP])
            _wait(here)
            began = time.perf_counter()
            load = _send(ports, till.memos[start + WARM_UP : start + WARM_UP + each])
            _wait(here)
            took += time.perf_counter() - began
            here.stop_children()
            against += _pgbench(here, till, seconds=seconds // ROUNDS) / ROUNDS
        _check(here, len(till.memos))
    pace = messages / took
    return Figure(
        10,
        f"settling {messages:,} webhooks",
        f"{pace:,.0f}/s",
        f"pgbench: {against:,.0f}/s",
        pace / against,
        0.4,
        "at least",
        note=f"from the first request to the last credited wallet; answered at {load.per_second:,.0f}/s,"
        f" 99 % within {load.quantile(0.99):.0f} ms; pgbench with {CONNECTIONS} clients, one message per transaction",
    )


def _open_till(place: Place, customers: list[Customer], number: int) -> _Till:
    made: list[_Till] = []

    async def work(panel: Panel) -> None:
        options = {
            "bank": "970416",
            "account_number": ACCOUNT,
            "account_name": "NGUYEN VAN A",
            "memo_prefix": "BENCH",
        }
        terms = MethodTerms(name="Bank", currency="VND", minimum=Decimal(10_000), options=options)
        async with panel.db.transaction() as session:
            await tell_rate(session, panel)
            method = await add_method(session, panel, "sepay", terms, actor=Actor.cli(), secrets={"secret": SECRET})
            await enable_method(session, panel, method.id, actor=Actor.cli())
        memos: list[str] = []
        ids: list[int] = []
        now = panel.clock()
        async with panel.db.transaction() as session:
            method = await method_by(session, method.id)
            for one in range(number):
                row: dict[str, Any] = {
                    "user_id": customers[one % len(customers)].user_id,
                    "method_id": method.id,
                    "gateway": "sepay",
                    "amount": Decimal(AMOUNT),
                    "currency": "VND",
                    "wallet_currency": panel.currency,
                    "rate": Decimal("0.00004"),
                    "state": "pending",
                    "expires_at": now + timedelta(hours=1),
                }
                deposit = await insert_deposit(session, panel, method, row)
                memos.append(str(deposit.memo))
                ids.append(deposit.id)
        made.append(_Till(method.id, memos, ids))

    with_panel(place, work)
    return made[0]


def _send(ports: list[int], memos: list[str]) -> Load:
    def make(number: int) -> bytes:
        told = {
            "id": f"{memos[number]}",
            "gateway": "ACB",
            "transactionDate": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 7 * 3600)),
            "accountNumber": ACCOUNT,
            "code": None,
            "content": f"{memos[number]} chuyen tien",
            "transferType": "in",
            "transferAmount": AMOUNT,
            "accumulated": 19_077_000,
            "subAccount": None,
            "referenceCode": f"FT{memos[number]}",
            "description": f"BankAPINotify {memos[number]} chuyen tien",
        }
        body, stamp = orjson.dumps(told), str(int(time.time()))
        head = (
            f"POST /api/payment/sepay/webhook HTTP/1.1\r\nHost: 127.0.0.1:{ports[0]}\r\nContent-Type: application/json\r\n"
            f"X-SePay-Timestamp: {stamp}\r\nX-SePay-Signature: sha256={hmac_text(SECRET, stamp.encode() + b'.' + body)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    load = drive(ports, make, wanted=b'{"success":true}', connections=CONNECTIONS, number=len(memos))
    if load.refused or load.answered != len(memos):
        raise RuntimeError(f"{load.answered} of {len(memos)} messages were taken: {load.refused}")
    return load


def _wait(place: Place) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    waiting = "SELECT FROM gateway_events WHERE gateway = 'sepay' AND outcome = 'waiting' LIMIT 1"
    with place.connect() as connection:
        while connection.execute(waiting).fetchone() is not None:
            if time.monotonic() > ends:
                raise RuntimeError("messages were not settled in time")
            time.sleep(0.05)


def _check(place: Place, messages: int) -> None:
    with place.connect() as connection:
        row = connection.execute(
            "SELECT count(*), count(DISTINCT deposit_id), sum(credited) FROM payment_receipts"
            " WHERE state = 'credited' AND gateway = 'sepay'"
        ).fetchone()
    if row != (messages, messages, Decimal(4) * messages):
        raise RuntimeError(f"{messages} deposits were to be credited once each: {row}")


def _pgbench(place: Place, till: _Till, *, seconds: int) -> float:
    with place.connect() as connection:
        row = connection.execute(
            "SELECT (SELECT min(id) FROM ledger_accounts WHERE kind = 'deposits'), encode(body, 'hex'), encode(digest, 'hex'),"
            " headers, (SELECT body FROM facts WHERE name = 'deposit_credited' LIMIT 1)"
            " FROM gateway_events WHERE gateway = 'sepay' LIMIT 1"
        ).fetchone()
    assert row is not None, "messages are sent before"
    source, body, digest, headers, fact = row
    known = {
        **VARIABLES,
        "first": min(till.ids),
        "last": max(till.ids),
        "method": till.method_id,
        "source": source,
        "body": f"\\x{body}",
        "digest": f"\\x{digest}",
        # Spaces behind the colons: with a letter there, pgbench would see variables.
        "headers": json.dumps(headers),
        "fact": json.dumps(fact),
    }
    script = SCRIPT
    for name, value in known.items():
        script = script.replace(f"{{{name}}}", str(value))
    return pgbench_pace(place, script, clients=CONNECTIONS, seconds=seconds)
