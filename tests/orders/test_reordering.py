"""Ordering again gives the same content, with the edits that were asked for."""

import pytest

from making import NOW, make_provider, make_service, make_user, order_row, place
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.panel import Panel
from smmpanel.orders.placing import place_order
from smmpanel.orders.reordering import reorder

LINK = "https://www.instagram.com/someone"
CASES = [
    ("default", {"quantity": 1000}, {}),
    ("default", {"quantity": 100, "runs": 4, "interval": 30}, {"dripfeed": True}),
    ("package", {"quantity": None}, {}),
    ("custom_comments", {"quantity": None, "comments": "one\ntwo"}, {}),
    ("poll", {"quantity": 10, "answer_number": 2}, {}),
    (
        "subscriptions",
        {"link": None, "quantity": None, "username": "x", "min": 5, "max": 9, "posts": 2, "delay": 5},
        {},
    ),
]


@pytest.mark.parametrize(("kind", "fields", "more"), CASES)
async def test_every_type_is_ordered_again_as_it_was(db: Database, panel: Panel, kind, fields, more) -> None:
    async with db.transaction() as session:
        user = await make_user(session)
        service = await make_service(session, await make_provider(session, panel), type=kind, **more)
        first = await place(session, user, service, **fields)
        again = await reorder(session, user, first, key="again")
        second = (await place_order(session, again, currency="USD", now=NOW)).order_id

    old, new = await order_row(db, first), await order_row(db, second)
    for name in ("service_id", "kind", "link", "quantity", "fields", "charge"):
        assert getattr(old, name) == getattr(new, name), name
    assert (new.key, first == second) == ("again", False)


async def test_edits_replace_and_remove_fields(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        user, stranger = await make_user(session), await make_user(session)
        service = await make_service(session, await make_provider(session, panel), dripfeed=True)
        order = await place(session, user, service, quantity=100, runs=4, interval=30)
        again = await reorder(session, user, order, {"quantity": "50", "runs": "", "interval": ""})
        assert dict(again.raw) == {"link": LINK, "quantity": "50"}
        for who, which in ((stranger, order), (user, 10**12), (user, 2**80)):
            with pytest.raises(NotFoundError):
                await reorder(session, who, which)
