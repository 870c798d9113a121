"""API `add` against `pgbench` running the same work, one order per transaction, on the same database."""

from benchmarks.comparing import pgbench_pace
from benchmarks.figures import Figure
from benchmarks.load import Load, drive, form_request
from benchmarks.place import Place
from benchmarks.seeding import QUANTITY, Customer, Wanted

CONNECTIONS = 64
WEB_PROCESSES = 2
WARM_UP_SECONDS = 3

# The same rows under the same locks, for one order: read what it takes to price it, lock the buyer's two accounts, move
# the money, write order and transfer. Checks, prices and answers are left out, which favours this side.
SCRIPT = """
\\set user random({first_user}, {last_user})
\\set service random({first_service}, {last_service})
\\set number random(1, 100000000)
BEGIN;
SELECT id, user_id, key_hash, ip_list, daily_spend_cap FROM api_keys WHERE user_id = :user;
SELECT s.rate, s.cost, s.min, s.max, s.type, r.id, p.external_id FROM services s JOIN service_routes r ON r.service_id = s.id
  JOIN provider_services p ON p.id = r.provider_service_id WHERE s.id = :service;
SELECT id, balance FROM ledger_accounts WHERE owner_id = :user ORDER BY id FOR NO KEY UPDATE;
UPDATE ledger_accounts SET balance = balance - 0.001 WHERE owner_id = :user AND kind = 'wallet';
UPDATE ledger_accounts SET balance = balance + 0.001 WHERE owner_id = :user AND kind = 'held';
INSERT INTO orders (user_id, service_id, kind, status, link, quantity, currency, charge, rate, cost, terms, provider_id, route_id)
  SELECT CAST(:user AS bigint), s.id, 'normal', 'pending', concat('https://instagram.com/p/', CAST(:number AS bigint)), 100,
  'USD', 0.001, s.rate, 0.0005, {terms}, p.provider_id, r.id FROM services s JOIN service_routes r ON r.service_id = s.id
  JOIN provider_services p ON p.id = r.provider_service_id WHERE s.id = :service RETURNING id AS order \\gset
INSERT INTO ledger_transfers (key, reason, debit_id, credit_id, amount, debit_balance, credit_balance, subject)
  SELECT concat('order:', CAST(:order AS bigint), chr(58), 'hold'), 'order_hold', w.id, h.id, 0.001, w.balance, h.balance,
  concat('order:', CAST(:order AS bigint))
  FROM ledger_accounts w, ledger_accounts h
  WHERE w.owner_id = :user AND w.kind = 'wallet' AND h.owner_id = :user AND h.kind = 'held';
COMMIT;
"""
TERMS = (
    """'{"max": 10000, "min": 10, "cost": {"fx": "1.00", "base": "0.0005", "rate": "0.0005", "route": 1, "currency": "USD"},"""
    """ "rate": "0.001", "type": "default", "cancel": false, "markup": {"step": "0.00", "fixed": "0.00", "percent": "20.00"},"""
    """ "refill": true, "currency": "USD", "dripfeed": true, "list_rate": "0.001", "below_cost": false, "refill_days": 30,"""
    """ "custom_rate": null, "discount_percent": "0.00"}'"""
)


def adding(ports: list[int], customers: list[Customer], services: list[Wanted], *, seconds: float) -> Load:
    """Place orders through the API for some seconds."""

    def make(number: int) -> bytes:
        wanted = services[number % len(services)]
        return form_request(
            "127.0.0.1",
            ports[0],
            "/api/v2",
            key=customers[number % len(customers)].key,
            action="add",
            service=str(wanted.service_id),
            link=wanted.link.format(number=number),
            quantity=str(QUANTITY),
        )

    return drive(ports, make, wanted=b'{"order":', connections=CONNECTIONS, seconds=seconds)


def pgbench(place: Place, customers: list[Customer], services: list[Wanted], *, seconds: int) -> float:
    """Run the comparison and return its transactions a second."""
    users = [customer.user_id for customer in customers]
    ids = sorted(service.service_id for service in services)
    script = SCRIPT.replace("{terms}", TERMS)
    script = script.replace("{first_service}", str(ids[0])).replace("{last_service}", str(ids[-1]))
    script = script.replace("{first_user}", str(min(users))).replace("{last_user}", str(max(users)))
    return pgbench_pace(place, script, clients=CONNECTIONS, seconds=seconds)


def measure(place: Place, customers: list[Customer], services: list[Wanted], *, seconds: int) -> Figure:
    """Measure both in turns, twice, after a short warm-up of each."""
    ports = place.serve(WEB_PROCESSES)
    adding(ports, customers, services, seconds=WARM_UP_SECONDS)
    pgbench(place, customers, services, seconds=WARM_UP_SECONDS)
    ours: list[Load] = []
    theirs: list[float] = []
    for _ in range(2):
        ours.append(adding(ports, customers, services, seconds=seconds / 2))
        theirs.append(pgbench(place, customers, services, seconds=seconds // 2))
    place.stop_children()
    if refused := [body for load in ours for body in load.refused]:
        raise RuntimeError(f"orders were refused: {refused}")
    pace, against = sum(load.per_second for load in ours) / 2, sum(theirs) / 2
    return Figure(
        1,
        f"add: {CONNECTIONS} connections, {WEB_PROCESSES} processes",
        f"{pace:,.0f}/s",
        f"pgbench: {against:,.0f}/s",
        pace / against,
        0.8,
        "at least",
        note=f"half of the answers within {ours[-1].quantile(0.5):.0f} ms, 99 % within {ours[-1].quantile(0.99):.0f} ms;"
        " pgbench runs one order per transaction, prepared, with as many clients; 1.5 is aimed at",
    )
