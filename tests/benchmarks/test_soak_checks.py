"""The soak's checks see what they are there to see."""

from pathlib import Path

import pytest

from making import accept, make_provider, make_service, make_user, place

ROOT = Path(__file__).parents[2]
LINK = "https://www.instagram.com/someone"


@pytest.fixture
def checks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import soak_checks

    return soak_checks


class Here:
    """What the checks need of a place: its database."""

    def __init__(self, url):
        self.url = url

    def connect(self):
        import psycopg

        return psycopg.connect(self.url, autocommit=True)


@pytest.fixture
async def an_accepted_order(db, panel):
    async with db.transaction() as session:
        user = await make_user(session)
        service = await make_service(session, await make_provider(session, panel))
        order = await place(session, user, service, link=LINK, key="one")
        await accept(session, order, "77")
    return order


def failed(found):
    return [check.what for check in found if check.against]


async def test_an_order_that_both_sides_know_is_fine(checks, database_url, an_accepted_order):
    made = {LINK: ["77"]}

    assert failed(checks.one_to_one(Here(database_url), made)) == []
    assert failed(checks.one_to_one(Here(database_url), made, settled=True)) == []


async def test_an_order_made_twice_at_the_provider_is_seen(checks, database_url, an_accepted_order):
    assert failed(checks.one_to_one(Here(database_url), {LINK: ["77", "78"]})) == [
        "no order was made twice at the provider",
        "what the provider has and we do not know of is unconfirmed here",
    ]


async def test_an_id_that_the_provider_never_gave_is_seen(checks, database_url, an_accepted_order):
    assert failed(checks.one_to_one(Here(database_url), {LINK: ["79"]})) == [
        "every order that we say was accepted is in the provider's log, for the same link",
        "what the provider has and we do not know of is unconfirmed here",
    ]


async def test_what_clients_were_told_is_compared(checks, database_url, an_accepted_order):
    from benchmarks.soak_clients import Told

    right = Told(orders={"one": an_accepted_order})
    lost = Told(orders={"one": an_accepted_order, "two": an_accepted_order + 1})
    unheard = Told()
    refused = Told(orders={"one": an_accepted_order}, refused={"one": "not enough funds"})

    here = Here(database_url)
    assert failed(checks.told_the_truth(here, right)) == []
    assert failed(checks.told_the_truth(here, lost)) == ["every order that a client was told of exists, under its key"]
    assert failed(checks.told_the_truth(here, unheard)) == ["there is no order that nobody was told of"]
    assert failed(checks.told_the_truth(here, refused)) == ["no key of a refused order has one"]
