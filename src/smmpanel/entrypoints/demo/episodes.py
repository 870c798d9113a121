"""What happens once or twice: a drip-feed, a subscription, new rates, doubts, refills, a cancellation."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from smmpanel.catalog.syncing import sync_services
from smmpanel.entrypoints.demo.shelf import Article
from smmpanel.kernel.money import plain
from smmpanel.orders.cancels import request_cancel
from smmpanel.orders.placing import NewOrder
from smmpanel.orders.refills import NotEligibleError, request_refill

if TYPE_CHECKING:
    from smmpanel.entrypoints.demo.story import Story

RUNS, RUN_EVERY, RUN_QUANTITY = 10, timedelta(hours=12), 500
RATES_CHANGED = 12
NEW_RATES = (88, 93, 96, 106, 112, 125)
"""In percent of what the rate was."""


def plan_episodes(story: "Story") -> None:
    """Put them on the agenda."""
    ends = story.ends
    story.at(ends - timedelta(days=3, hours=2), lambda: order_drip(story))
    story.at(ends - timedelta(days=6), lambda: order_subscription(story))
    for days in (19, 8):
        story.at(ends - timedelta(days=days), lambda: follow_new_rates(story))
    for days in (20, 9):
        story.at(ends - timedelta(days=days), lambda: ask_refill(story))
    story.at(ends - timedelta(minutes=70), lambda: ask_refill(story, life=timedelta(hours=5)))
    story.at(ends - timedelta(days=5, minutes=7), lambda: order_in_vain(story))
    for hours in (20, 3):
        story.at(ends - timedelta(hours=hours), lambda: order_into_the_void(story))
    story.at(ends - timedelta(days=4, hours=1), lambda: order_and_cancel(story))


async def order_drip(story: "Story") -> None:
    """The demo customer orders a drip-feed, of which some runs are still to come at the end."""
    article = _cheapest(one for one in story.shelf.plain() if one.dripfeed)
    fields = article.fields(story.rng, story.unit) | {
        "quantity": str(max(article.min, RUN_QUANTITY)),
        "runs": str(RUNS),
        "interval": str(RUN_EVERY // timedelta(minutes=1)),
    }
    begins = story.machine.now()
    await _order(story, article, fields)
    for run in range(RUNS):
        at = begins + RUN_EVERY * run + timedelta(seconds=2)
        for later in (timedelta(), timedelta(hours=2), timedelta(hours=7)):
            story.at(at + later)


async def order_subscription(story: "Story") -> None:
    """The demo customer orders likes for posts to come; some have appeared at the end."""
    article = _cheapest(one for one in story.shelf.articles if one.type == "subscriptions")
    fields = {
        "username": "tiembanhmay",
        "min": str(article.min),
        "max": str(article.min * 2),
        "posts": "12",
        "delay": "0",
    }
    # Of the dialects of the API this is the one that lists the orders which a subscription has brought.
    await story.upstream.add_fault("variant", action="status", variant="parents")
    await story.upstream.configure(finish_after=timedelta(days=16).total_seconds())
    await _order(story, article, fields)
    await story.turn()


async def follow_new_rates(story: "Story") -> None:
    """The provider changes some rates, and the daily sync finds out."""
    for article in story.rng.sample(story.shelf.plain(), RATES_CHANGED):
        rate = article.cost * story.rng.choice(NEW_RATES) / 100
        await story.upstream.change_service(article.external_id, rate=plain(rate.quantize(Decimal("0.0001"))))
    await sync_services(story.panel, [story.provider_id])


async def ask_refill(story: "Story", *, life: timedelta = timedelta(hours=6)) -> None:
    """The demo customer asks for a refill of the latest order that may have one; the provider takes so long for it."""
    now = story.machine.now()
    await story.upstream.configure(finish_after=life.total_seconds())
    for order_id, article in reversed(story.placed):
        if not article.refill:
            continue
        try:
            async with story.panel.db.transaction() as session:
                await request_refill(session, story.demo.user_id, order_id, now)
        except NotEligibleError:
            continue
        for later in (timedelta(seconds=5), timedelta(hours=1), timedelta(hours=3), timedelta(hours=7)):
            story.at(now + later)
        return


async def order_in_vain(story: "Story") -> None:
    """An order is refused by the provider: the customer gets the money back."""
    await _order_with_fault(story, kind="refuse", meaning="link", text="The account is private")


async def order_into_the_void(story: "Story") -> None:
    """The line breaks after the provider has taken an order: nobody knows whether it has, until staff settle it."""
    await _order_with_fault(story, kind="drop", when="after")


async def order_and_cancel(story: "Story") -> None:
    """The demo customer thinks better of an order that has been sent."""
    article = _cheapest(one for one in story.shelf.plain() if one.cancel)
    now = story.machine.now()
    await story.upstream.configure(finish_after=timedelta(hours=10).total_seconds())
    [order_id] = await _order(story, article, article.fields(story.rng, story.unit * 2))
    story.at(now + timedelta(seconds=4))
    story.at(now + timedelta(hours=2))

    async def cancel() -> None:
        async with story.panel.db.transaction() as session:
            await request_cancel(session, story.demo.user_id, [order_id], story.machine.now())

    story.at(now + timedelta(hours=2, minutes=5), cancel)
    for later in (timedelta(hours=2, minutes=6), timedelta(hours=4), timedelta(hours=6)):
        story.at(now + later)


async def _order_with_fault(story: "Story", **fault: Any) -> None:
    article = story.rng.choice(story.favourites[story.demo.user_id])
    await story.upstream.add_fault(action="add", times=1, **fault)
    await _order(story, article, article.fields(story.rng, story.unit * 2))
    # At once, so that the fault meets this order and no other.
    await story.turn()
    story.at(story.machine.now() + timedelta(minutes=1))


async def _order(story: "Story", article: Article, fields: dict[str, str]) -> list[int]:
    await story.fill_purse(story.demo)
    return await story.place(story.demo, [NewOrder(story.demo.user_id, article.id, fields)], [article])


def _cheapest(articles: Iterator[Article]) -> Article:
    return min(articles, key=lambda one: (one.rate * one.min, one.id))
