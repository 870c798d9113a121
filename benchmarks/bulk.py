"""Orders by the hundred thousand, with their transfers, written as rows: where only their number counts."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from benchmarks.place import Place
from benchmarks.seeding import QUANTITY, Customer, Wanted

FINISHED_SHARES = {"completed": 0.92, "partial": 0.035, "canceled": 0.03}
"""What becomes of orders; the newest of the rest are still in progress."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How many orders, how many of them still open, how far back they go."""

    orders: int
    open: int
    days: int
    first_external_id: int = 1_000_001


_SOLD = """
CREATE TEMP TABLE sold ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY w.place) - 1 AS place, s.id AS service_id, s.rate, s.cost, r.id AS route_id,
       p.provider_id, w.link,
       jsonb_build_object('max', s.max, 'min', s.min, 'type', s.type, 'rate', s.rate::text, 'cancel', s.cancel, 'refill',
       s.refill, 'refill_days', s.refill_days, 'dripfeed', s.dripfeed, 'currency', 'USD', 'list_rate', s.rate::text,
       'below_cost', false, 'custom_rate', NULL, 'discount_percent', '0.00', 'markup', jsonb_build_object('step', '0.00',
       'fixed', '0.00', 'percent', '20.00'), 'cost', jsonb_build_object('fx', '1.00', 'base', s.cost::text, 'rate',
       s.cost::text, 'route', r.id, 'currency', 'USD')) AS terms
  FROM unnest(%(services)s::bigint[], %(links)s::text[]) WITH ORDINALITY AS w(id, link, place)
  JOIN services s ON s.id = w.id JOIN service_routes r ON r.service_id = s.id
  JOIN provider_services p ON p.id = r.provider_service_id
"""
_BUYERS = """
CREATE TEMP TABLE buyers ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY w.id) - 1 AS place, w.id AS user_id, wallet.id AS wallet, held.id AS held
  FROM unnest(%(users)s::bigint[]) AS w(id)
  JOIN ledger_accounts wallet ON wallet.owner_id = w.id AND wallet.kind = 'wallet'
  JOIN ledger_accounts held ON held.owner_id = w.id AND held.kind = 'held'
"""
_ORDERS = """
INSERT INTO orders (user_id, service_id, kind, status, link, quantity, currency, charge, refunded, earned, rate, cost, terms,
       provider_id, route_id, external_id, start_count, remains, provider_charge, attempts, due_at, check_at, created_at,
       submitted_at, finished_at)
SELECT b.user_id, s.service_id, 'normal', o.status, replace(s.link, '{number}', o.n::text), %(quantity)s, 'USD', o.charge,
       o.refunded, CASE WHEN o.is_open THEN 0 ELSE o.charge - o.refunded END, s.rate, s.cost, s.terms, s.provider_id, s.route_id,
       (%(first)s + o.n)::text, o.n %% 50000, CASE WHEN o.is_open THEN %(quantity)s ELSE 0 END, s.cost, 1, o.at,
       CASE WHEN o.is_open THEN CAST(%(check_at)s AS timestamptz) END, o.at, o.at,
       CASE WHEN NOT o.is_open THEN o.at + interval '3 hours' END
  FROM (
    SELECT n, at, is_open, status, charge, CASE WHEN is_open OR status = 'completed' THEN 0 WHEN status = 'canceled' THEN charge
           ELSE trunc(charge * (n %% 100) / 100, 6) END AS refunded, service, buyer
      FROM (
        SELECT n, n >= %(orders)s - %(open)s AS is_open, now() - (%(orders)s - n) * CAST(%(every)s AS interval) AS at,
               sold.place AS service, (n * 7919) %% (SELECT count(*) FROM buyers) AS buyer,
               greatest(trunc(sold.rate * %(quantity)s / 1000, 6), 0.000001) AS charge,
               CASE WHEN n >= %(orders)s - %(open)s THEN 'in_progress'
                    WHEN n * 31 %% 1000 < %(partial)s THEN 'partial'
                    WHEN n * 31 %% 1000 < %(canceled)s THEN 'canceled' ELSE 'completed' END AS status
          FROM generate_series(0, %(orders)s::bigint - 1) AS n
          JOIN sold ON sold.place = (n * 104729) %% (SELECT count(*) FROM sold)
      ) drawn ) o
  JOIN sold s ON s.place = o.service JOIN buyers b ON b.place = o.buyer
 ORDER BY o.n
"""
_TRANSFERS = """
INSERT INTO ledger_transfers (key, reason, debit_id, credit_id, amount, subject, created_at, debit_balance, credit_balance)
SELECT key, reason, debit, credit, amount, concat('order:', order_id), at,
       CASE debit WHEN wallet THEN in_wallet WHEN held THEN in_held END,
       CASE credit WHEN wallet THEN in_wallet WHEN held THEN in_held END
  FROM (
    SELECT concat('order:', o.id, ':', m.key) AS key, m.reason, m.debit, m.credit, m.amount, m.at, m.step, o.id AS order_id,
           b.wallet, b.held, w.balance + sum(m.to_wallet) OVER until AS in_wallet, h.balance + sum(m.to_held) OVER until AS in_held
      FROM orders o JOIN buyers b ON b.user_id = o.user_id
      JOIN ledger_accounts w ON w.id = b.wallet JOIN ledger_accounts h ON h.id = b.held
     CROSS JOIN LATERAL (VALUES
        (1, 'hold', 'order_hold', b.wallet, b.held, o.charge, -o.charge, o.charge, o.created_at),
        (2, concat('refund:', o.refunded), 'order_refund', b.held, b.wallet, o.refunded, o.refunded, -o.refunded, o.finished_at),
        (3, concat('earned:', o.earned), 'order_earned', b.held, %(revenue)s, o.earned, 0, -o.earned, o.finished_at)
     ) AS m(step, key, reason, debit, credit, amount, to_wallet, to_held, at)
     WHERE m.amount > 0
    WINDOW until AS (PARTITION BY b.user_id ORDER BY m.at, o.id, m.step ROWS UNBOUNDED PRECEDING)
  ) moved
 ORDER BY at, order_id, step
"""
_REVENUE = """
INSERT INTO ledger_accounts (kind, currency, may_go_negative) VALUES ('revenue', 'USD', true)
ON CONFLICT (kind, currency) WHERE owner_id IS NULL DO UPDATE SET kind = 'revenue' RETURNING id
"""
_BALANCES = """
UPDATE ledger_accounts a SET balance = a.balance + moved.amount FROM (
    SELECT b.wallet AS id, sum(o.refunded - o.charge) AS amount FROM orders o JOIN buyers b ON b.user_id = o.user_id GROUP BY 1
    UNION ALL
    SELECT b.held, sum(o.charge - o.refunded - o.earned) FROM orders o JOIN buyers b ON b.user_id = o.user_id GROUP BY 1
) moved WHERE a.id = moved.id
"""
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes i WHERE schemaname = 'public' AND tablename IN ('orders', 'ledger_transfers')
   AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)
"""


def fill(
    place: Place, customers: list[Customer], services: list[Wanted], spread: Spread, *, check_at: object = None
) -> None:
    """Write orders into a database that has none, with their transfers and the balances that follow, and analyze it.

    The books stay right: `ledger verify` finds nothing.
    """
    partial, canceled = (round(FINISHED_SHARES[word] * 1000) for word in ("partial", "canceled"))
    values = {
        "users": [customer.user_id for customer in customers],
        "services": [service.service_id for service in services],
        "links": [service.link for service in services],
        "quantity": QUANTITY,
        "orders": spread.orders,
        "open": spread.open,
        "every": f"{spread.days * 86400 / spread.orders:.6f} seconds",
        "first": spread.first_external_id,
        "partial": partial,
        "canceled": partial + canceled,
        "check_at": check_at,
    }
    # As the server's own superuser, to whom foreign keys need not be proven row by row.
    with psycopg.connect(place.postgres.admin_url, dbname=place.database, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
            for statement in (_SOLD, _BUYERS):
                connection.execute(statement, values)
            connection.execute("ANALYZE sold, buyers")
            indexes = connection.execute(_INDEXES).fetchall()
            for name, _ in indexes:
                connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(str(name))))
            connection.execute(_ORDERS, values)
            found = connection.execute(_REVENUE).fetchone()
            assert found is not None
            connection.execute(_TRANSFERS, {"revenue": found[0]})
            connection.execute(_BALANCES)
            for _, definition in indexes:
                connection.execute(sql.SQL(str(definition)))
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
