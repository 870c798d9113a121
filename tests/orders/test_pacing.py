"""When an order is looked at next: the rule in Python and the rule in SQL are one rule."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from making import NOW, WATCH
from smmpanel.orders.models import FINISHED, OrderStatus
from smmpanel.orders.pacing import LATEST, NEXT_CHECK, SOONEST, next_check_at, next_check_values

AGES = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10))
HELD = [OrderStatus.PROCESSING, OrderStatus.IN_PROGRESS, *FINISHED]
_IN_SQL = text(
    f"SELECT {NEXT_CHECK} FROM (SELECT CAST(:status AS text) AS status, CAST(:submitted AS timestamptz) AS submitted_at,"
    " CAST(:submitted AS timestamptz) AS created_at, CAST(:finished AS timestamptz) AS finished_at) o"
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.sampled_from(HELD), age=AGES, since=AGES)
async def test_python_and_sql_agree(db, status, age, since):
    submitted, finished = NOW - age, NOW - min(age, since) if status in FINISHED else None
    wanted = next_check_at(status, submitted_at=submitted, finished_at=finished, now=NOW, watch=WATCH)
    given_values = {"status": status.value, "submitted": submitted, "finished": finished}
    async with db.reading() as session:
        found = await session.scalar(_IN_SQL, {**given_values, **next_check_values(now=NOW, watch=WATCH)})

    if wanted is None:
        assert found is None
    else:
        assert abs(found - wanted) < timedelta(milliseconds=1)


@pytest.mark.parametrize("minutes", [0, 1, 5, 20, 60, 600, 60_000])
def test_no_open_order_waits_longer_than_five_minutes(minutes):
    submitted = NOW - timedelta(minutes=minutes)
    found = next_check_at(OrderStatus.IN_PROGRESS, submitted_at=submitted, finished_at=None, now=NOW, watch=WATCH)

    assert found is not None
    assert NOW + SOONEST <= found <= NOW + LATEST
