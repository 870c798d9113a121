"""Staff's pages about users: found quickly, shown in one go, and every deed done once and on the record."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, select, text, update

from making import credit, make_provider, make_service, make_user, place
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.api_keys import issue_key
from smmpanel.accounts.audit import audit_trail
from smmpanel.accounts.models import ApiKey, LoginSession, User
from smmpanel.accounts.sessions import open_session
from smmpanel.accounts.states import AccountState, Role
from smmpanel.catalog.user_prices import custom_rates_of, discount_of, set_custom_rate
from smmpanel.ledger import balance_of
from staff_browser import StaffBrowser, sign_in

WAY = "/staff/users"
LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])


@pytest.fixture
async def admin(panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(panel)
    await browser.get(WAY)
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def mai(db, panel) -> int:
    """A customer with money, two orders, a session, a key and an own rate."""
    async with db.transaction() as session:
        user = await make_user(session, "mai", funds="100")
        service = await make_service(session, await make_provider(session, panel), rate="10", cost="4")
        for _ in range(2):
            await place(session, user, service, now=panel.clock())
        await session.execute(text("UPDATE orders SET refunded = 4 WHERE id = (SELECT max(id) FROM orders)"))
        await set_custom_rate(session, user, service, Decimal(7), actor=Actor.cli())
        await issue_key(session, panel.vault, await session.get_one(User, user), "my shop")
        agent = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
        now = panel.clock()
        await open_session(session, user, lifetime=timedelta(days=1), ip="198.51.100.7", user_agent=agent, now=now)
    return user


def key_in(html):
    return re.search(r'name="key" value="(\w+)"', html)[1]


async def balance(db, user):
    async with db.transaction() as session:
        return (await balance_of(session, user, "USD")).amount


async def trail(db, user):
    async with db.transaction() as session:
        return (await audit_trail(session, subject=f"user:{user}")).rows


def names_in(html):
    return re.findall(r"data-row-link>([^<]+)</a>", html)


@LANGUAGES
async def test_the_list_says_what_each_user_is_worth(admin, mai, language):
    shown = await admin.get(WAY, params={"lang": language, "q": "mai"})

    assert shown.status_code == 200
    assert names_in(shown.text) == ["mai"]
    row = shown.text[shown.text.index(f"{WAY}/{mai}") :]
    figures = re.findall(r'class="end num nowrap[^"]*">([^<]+)<', row)
    assert (
        figures
        == {
            "en": ["$80.00", "$16.00", "2"],
            "vi": ["80,00\N{NO-BREAK SPACE}$", "16,00\N{NO-BREAK SPACE}$", "2"],
            "id": ["$80,00", "$16,00", "2"],
        }[language]
    )


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("an", ["anna", "an_b"]),
        ("AN_", ["an_b"]),
        ("an%", []),
        ("b@exa", ["bert"]),
        ("nna", []),
        ("#{id}", ["bert"]),
        ("{id}", ["bert"]),
        ("99999999999999999999999", []),
    ],
)
async def test_users_are_found_by_how_a_name_or_an_address_begins_or_by_id(admin, db, typed, found):
    async with db.transaction() as session:
        await make_user(session, "an_b", funds=None)
        await make_user(session, "anna", funds=None)
        bert = await make_user(session, "bert", funds=None)
        await session.execute(update(User).where(User.id == bert).values(email="B@example.org"))

    shown = await admin.get(WAY, params={"q": typed.format(id=bert)})

    assert shown.status_code == 200
    assert names_in(shown.text) == found


async def test_tabs_hold_users_by_state(admin, db):
    async with db.transaction() as session:
        for name, state in (("sue", "suspended"), ("ben", "banned"), ("ann", "active")):
            user = await make_user(session, name, funds=None)
            await session.execute(update(User).where(User.id == user).values(state=AccountState(state)))

    names = {tab: names_in((await admin.get(WAY, params={"state": tab})).text) for tab in ("suspended", "banned")}
    assert names == {"suspended": ["sue"], "banned": ["ben"]}
    assert names_in((await admin.get(WAY, params={"state": "staff"})).text)[0].startswith("admin")
    assert "ann" in names_in((await admin.get(WAY, params={"state": "active"})).text)
    assert "sue" not in names_in((await admin.get(WAY, params={"state": "active"})).text)


async def test_the_list_is_paged_and_costs_the_same_whatever_it_shows(admin, db, panel):
    async with db.transaction() as session:
        await make_user(session, "first", funds=None)
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        asked.append(statement)

    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", note)
    try:
        await admin.get(WAY)
        few = len(asked)
        asked.clear()
        async with db.transaction() as session:
            for n in range(30):
                await make_user(session, f"user{n:02}", funds=None)
        asked.clear()
        page = await admin.get(WAY)
        assert len(asked) == few
    finally:
        event.remove(panel.db.engine.sync_engine, "before_cursor_execute", note)
    assert names_in(page.text) == [f"user{n:02}" for n in reversed(range(5, 30))]
    onward = re.search(r'rel="next" href="([^"]+)"', page.text)[1]
    assert names_in((await admin.get(onward)).text)[:6] == ["user04", "user03", "user02", "user01", "user00", "first"]


async def test_searching_goes_through_the_indexes(db):
    async with db.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO users (username, email, password_hash, role, permissions, state, language, time_zone)"
                " SELECT 'u' || n, 'u' || n || '@example.com', '-', 'customer', '{}', 'active', 'en', 'UTC'"
                " FROM generate_series(1, 3000) n"
            )
        )
        await session.execute(text("ANALYZE users"))
        plan = "\n".join(
            await session.scalars(
                text(
                    "EXPLAIN SELECT id FROM users WHERE lower(username) LIKE 'u29%'"
                    " ORDER BY lower(username) USING ~<~ LIMIT 200"
                )
            )
        )
    assert "Index Cond" in plan
    assert "Seq Scan" not in plan


@LANGUAGES
async def test_one_user_with_everything(admin, panel, mai, language):
    shown = await admin.get(f"{WAY}/{mai}", params={"lang": language})

    assert shown.status_code == 200
    for part in ("mai@example.com", "my shop", "198.51.100.7", "Firefox", "/staff/orders?user=mai"):
        assert part in shown.text
    if language == "en":
        assert "list rate $10.00" in shown.text
        assert "$20.00 held" in shown.text
        assert "Firefox on Linux" in shown.text


@LANGUAGES
async def test_one_user_with_nothing(admin, db, language):
    async with db.transaction() as session:
        user = await make_user(session, funds=None)

    assert (await admin.get(f"{WAY}/{user}", params={"lang": language})).status_code == 200
    assert (await admin.get(f"{WAY}/999999999")).status_code == 404
    assert (await admin.get(f"{WAY}/abc")).status_code in {404, 422}


async def test_money_is_booked_once_however_often_the_form_is_sent(admin, db, mai):
    form = {"amount": "2,5", "reason": "a gift", "key": key_in((await admin.get(f"{WAY}/{mai}")).text)}

    for _ in range(2):
        sent = await admin.post(f"{WAY}/{mai}/balance", form)
        assert (sent.status_code, sent.headers["location"]) == (303, f"{WAY}/{mai}")

    assert await balance(db, mai) == Decimal("82.5")
    line, *_ = await trail(db, mai)
    assert (line.permission, line.after["amount"], line.after["reason"]) == ("users.balance", "2.50", "a gift")
    assert sum(one.permission == "users.balance" for one in await trail(db, mai)) == 1
    shown = await admin.get(f"{WAY}/{mai}")
    assert "+$2.50" in shown.text
    assert '<span class="note">Amount: $2.50</span>' in shown.text
    assert "a gift" in shown.text


async def test_staff_give_themselves_neither_money_nor_prices(panel, db, mai):
    held = ["users.view", "users.balance", "users.edit", "referrals.view", "referrals.edit"]
    clerk = await sign_in(panel, role=Role.STAFF, permissions=held)
    async with db.transaction() as session:
        own = await session.scalar(select(User.id).where(User.role == Role.STAFF))
        service = await make_service(session, mode="manual", rate="2")

    theirs, shown = (await clerk.get(f"{WAY}/{mai}")).text, (await clerk.get(f"{WAY}/{own}")).text
    for deed, form in {
        "balance": {"amount": "2", "reason": "a gift", "key": key_in(theirs)},
        "discount": {"percent": "100"},
        "rates": {"service_id": service, "rate": "0"},
        "commission": {"percent": "100"},
    }.items():
        assert (f"{WAY}/{mai}/{deed}" in theirs, f"{WAY}/{own}/{deed}" in shown) == (True, False), deed
        sent = await clerk.post(f"{WAY}/{own}/{deed}", form)
        assert (sent.status_code, "Somebody else has to" in sent.text) == (403, True), deed

    assert (await balance(db, own), await trail(db, own)) == (0, [])
    await clerk.client.aclose()


async def test_the_same_form_with_something_else_in_it_books_nothing(admin, db, mai):
    key = key_in((await admin.get(f"{WAY}/{mai}")).text)
    await admin.post(f"{WAY}/{mai}/balance", {"amount": "2", "reason": "a gift", "key": key})

    sent = await admin.post(f"{WAY}/{mai}/balance", {"amount": "3", "reason": "a gift", "key": key})

    assert sent.status_code == 422
    assert "This form was sent before" in sent.text
    assert key_in(sent.text) != key
    assert await balance(db, mai) == 82


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"amount": "0", "reason": "why"}, "other than zero"),
        ({"amount": "", "reason": "why"}, "other than zero"),
        ({"amount": "much", "reason": "why"}, "other than zero"),
        ({"amount": "1,2,3", "reason": "why"}, "other than zero"),
        ({"amount": "0.0000001", "reason": "why"}, "other than zero"),
        ({"amount": "7", "reason": " "}, "Enter a reason"),
        ({"amount": "7", "reason": "x" * 501}, "Enter a reason"),
        ({"amount": "-80.01", "reason": "why"}, "less than that in the wallet"),
    ],
)
async def test_what_cannot_be_booked_is_said_under_its_field(admin, db, mai, typed, said):
    key = key_in((await admin.get(f"{WAY}/{mai}")).text)

    sent = await admin.post(f"{WAY}/{mai}/balance", {**typed, "key": key})

    assert sent.status_code == 422
    assert said in sent.text
    assert f'name="amount" type="text" value="{typed["amount"]}"' in sent.text
    assert await balance(db, mai) == 80


async def test_taking_away_down_to_nothing(admin, db, mai):
    key = key_in((await admin.get(f"{WAY}/{mai}")).text)

    assert (
        await admin.post(f"{WAY}/{mai}/balance", {"amount": "-80", "reason": "gone", "key": key})
    ).status_code == 303

    assert await balance(db, mai) == 0
    assert (await admin.post(f"{WAY}/{mai}/balance", {"amount": "1", "reason": "x", "key": "short"})).status_code == 403


async def test_discount_and_own_rates(admin, db, mai):
    async with db.transaction() as session:
        (service,) = await custom_rates_of(session, mai)

    assert (await admin.post(f"{WAY}/{mai}/discount", {"percent": "12,5"})).status_code == 303
    assert (await admin.post(f"{WAY}/{mai}/rates", {"service_id": service, "rate": "6.5"})).status_code == 303
    async with db.transaction() as session:
        assert await discount_of(session, mai) == Decimal("12.5")
        assert await custom_rates_of(session, mai) == {service: Decimal("6.5")}
    assert 'value="12.5"' in (await admin.get(f"{WAY}/{mai}")).text

    for form, path, said in (
        ({"percent": "101"}, "discount", "from 0 to 100"),
        ({"percent": "a lot"}, "discount", "from 0 to 100"),
        ({"service_id": "999999", "rate": "1"}, "rates", "There is no such service."),
        ({"service_id": "", "rate": "1"}, "rates", "There is no such service."),
        ({"service_id": service, "rate": "-1"}, "rates", "zero or more"),
        ({"service_id": service, "rate": ""}, "rates", "zero or more"),
    ):
        sent = await admin.post(f"{WAY}/{mai}/{path}", form)
        assert sent.status_code == 422
        assert said in sent.text

    assert (await admin.post(f"{WAY}/{mai}/discount", {"percent": ""})).status_code == 303
    assert (await admin.post(f"{WAY}/{mai}/rates/{service}/remove")).status_code == 303
    async with db.transaction() as session:
        assert await discount_of(session, mai) == 0
        assert await custom_rates_of(session, mai) == {}


async def test_an_account_is_suspended_banned_and_let_back_in(admin, db, mai):
    sent = await admin.post(f"{WAY}/{mai}/state", {"to": "suspended", "reason": ""})
    assert sent.status_code == 422
    assert "Enter a reason" in sent.text

    for to in ("suspended", "banned", "active"):
        assert (await admin.post(f"{WAY}/{mai}/state", {"to": to, "reason": f"to {to}"})).status_code == 303
        async with db.transaction() as session:
            user = await session.get_one(User, mai)
            assert (user.state, user.state_reason) == (to, None if to == "active" else f"to {to}")
            shown = await admin.get(f"{WAY}/{mai}")
            assert (f"to {to}" in shown.text) is True
    again = await admin.post(f"{WAY}/{mai}/state", {"to": "active", "reason": "again"})
    assert again.status_code == 422
    assert "It cannot go from active to active." in again.text
    assert (await admin.post(f"{WAY}/{mai}/state", {"to": "nowhere", "reason": "x"})).status_code == 403


async def test_sessions_and_keys_are_ended(admin, db, panel, mai):
    async with db.transaction() as session:
        first = await session.scalar(select(LoginSession.id).where(LoginSession.user_id == mai))
        key = await session.scalar(select(ApiKey.id).where(ApiKey.user_id == mai))
        await open_session(session, mai, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock())

    assert (await admin.post(f"{WAY}/{mai}/sessions/{first}/revoke")).status_code == 303
    assert (await admin.post(f"{WAY}/{mai}/sessions/{first}/revoke")).status_code == 404
    assert (await admin.post(f"{WAY}/{mai}/sessions/revoke")).status_code == 303
    assert (await admin.post(f"{WAY}/{mai}/keys/{key}/revoke")).status_code == 303

    shown = await admin.get(f"{WAY}/{mai}")
    assert "Not signed in anywhere." in shown.text
    assert "No API keys." in shown.text
    async with db.transaction() as session:
        assert (
            None
            not in (await session.scalars(select(LoginSession.revoked_at).where(LoginSession.user_id == mai))).all()
        )


async def test_staff_see_only_the_deeds_that_they_may_do(db, panel, mai):
    looker = await sign_in(panel, role=Role.STAFF, permissions=["users.view"])
    shown = await looker.get(f"{WAY}/{mai}")
    assert shown.status_code == 200
    for path in ("balance", "discount", "rates", "state", "sign-in-as", "sessions/revoke"):
        assert f'action="{WAY}/{mai}/{path}"' not in shown.text
        form = {
            "amount": "1",
            "reason": "x",
            "key": "k" * 24,
            "percent": "1",
            "service_id": "1",
            "rate": "1",
            "to": "banned",
        }
        assert (await looker.post(f"{WAY}/{mai}/{path}", form)).status_code == 403
    assert "/staff/orders?user=" not in shown.text
    assert [line for line in await trail(db, mai) if line.actor_kind == "user"] == []
    await looker.client.aclose()

    nobody = await sign_in(panel, role=Role.STAFF, permissions=[Permission.ORDERS_VIEW.value])
    assert (await nobody.get(WAY)).status_code == 403
    assert (await nobody.get(f"{WAY}/{mai}")).status_code == 403
    await nobody.client.aclose()


async def test_last_seen_leaves_out_staff_who_signed_in_as_the_user(admin, db, panel):
    async with db.transaction() as session:
        user, other = await make_user(session, "seldom", funds=None), await make_user(session, funds=None)
        await credit(session, user, "1")
        await open_session(
            session, user, lifetime=timedelta(hours=1), ip=None, user_agent=None, now=panel.clock(), acted_by=other
        )

    row = (await admin.get(WAY, params={"q": "seldom"})).text
    assert '<span class="muted">never</span>' in row
