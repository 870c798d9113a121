"""The chart of what recommending brought: by the reader's days, two periods of thirty, and nobody else's money."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from making import make_user
from orders.customer_pages import browser_of
from smmpanel.growth.earning_chart import DAYS, earning_chart
from smmpanel.web.formats import Formats

NOW = datetime(2026, 5, 31, 18, 30, tzinfo=UTC)  # in Vietnam it is the first of June already
HANOI = Formats("en", "Asia/Ho_Chi_Minh", "USD", NOW)
_REFERRAL = text(
    "INSERT INTO referrals (referrer_id, referred_id, via, state, mailbox, created_at)"
    " VALUES (:by, :who, 'link', 'clear', :who, :at) RETURNING id"
)
_COMMISSION = text(
    "INSERT INTO commissions (order_id, referral_id, referrer_id, percent, earned, base, due, credited, changed_at)"
    " VALUES (:order, :referral, :by, 5, 100, 100, :amount, :amount, :at)"
)
_REFERRER = text("INSERT INTO referrers (user_id, referrals, credited) VALUES (:by, 1, 1)")


async def earn(session, by, *earned):
    """Have somebody be credited amounts at moments."""
    who = await make_user(session, funds=None)
    referral = await session.scalar(_REFERRAL, {"by": by, "who": who, "at": NOW})
    for place, (amount, at) in enumerate(earned):
        given = {"order": who * 1000 + place, "referral": referral, "by": by, "amount": Decimal(amount), "at": at}
        await session.execute(_COMMISSION, given)


async def test_days_are_the_readers_and_the_thirty_before_stand_beside_the_last(db):
    async with db.transaction() as session:
        mai, tom = await make_user(session, funds=None), await make_user(session, funds=None)
        midnight = datetime(2026, 5, 31, 17, tzinfo=UTC)  # between the reader's last day of May and first of June
        moments = [
            ("1.25", midnight),
            ("2", midnight - timedelta(seconds=1)),
            ("0.5", midnight - timedelta(seconds=2)),
            ("4", midnight - timedelta(days=DAYS - 1)),
            ("8", midnight - timedelta(days=DAYS - 1, seconds=1)),
            ("16", midnight - timedelta(days=2 * DAYS - 1)),
            ("32", midnight - timedelta(days=2 * DAYS - 1, seconds=1)),
            ("0", midnight),
        ]
        await earn(session, mai, *moments)
        await earn(session, tom, ("64", midnight))

        chart = await earning_chart(session, mai, HANOI, NOW)

        assert (len(chart.values), len(chart.before), chart.labels[0], chart.labels[-1]) == (30, 30, "3 May", "1 Jun")
        assert (chart.values[0], chart.values[-2:], sum(chart.values)) == (4, [2.5, 1.25], 7.75)
        assert (chart.before[0], chart.before[-1], sum(chart.before)) == (16, 8, 24)
        assert (chart.total, chart.read[-1]) == (Decimal("7.75"), "$1.25")
        in_utc = await earning_chart(session, mai, Formats("en", "UTC", "USD", NOW), NOW)
        assert (in_utc.labels[-1], in_utc.values[-1]) == ("31 May", 3.75)
        nobody = await make_user(session, funds=None)
        assert await earning_chart(session, nobody, HANOI, NOW) is None


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_the_page_shows_it_once_there_is_something_to_show(panel, language):
    async with panel.db.transaction() as session:
        mai = await make_user(session, funds=None)
        await session.execute(_REFERRER, {"by": mai})
    browser = await browser_of(panel, mai)
    path = f"/affiliates?lang={language}"
    assert 'data-chart="' not in (await browser.get(path)).text
    async with panel.db.transaction() as session:
        await earn(session, mai, ("3.5", panel.clock()))
    shown = (await browser.get(path)).text
    assert len(re.findall(r'data-chart="', shown)) == 1
    assert shown.count("<tr>") == 1 + DAYS + 2  # the table of its days, and that of orders
    await browser.client.aclose()
