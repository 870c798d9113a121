"""Tiers from presets and by staff: a table that makes sense, on the record, with everybody in the tier it gives them."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from making import make_user, staff
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.catalog.user_prices import discount_in_force
from smmpanel.entrypoints.opening import open_panel, prepare_panel
from smmpanel.growth.recounting_spends import fit_tiers
from smmpanel.growth.spends import TierChanged
from smmpanel.growth.tier_consequences import Consequences, consequences_of, with_tier
from smmpanel.growth.tier_editing import TierTerms, add_tier, edit_tier, remove_tier, terms_of
from smmpanel.growth.tier_models import OrderSpend, UserSpend
from smmpanel.growth.tiers import all_tiers, standing_among, standing_of
from smmpanel.kernel.errors import ForbiddenError, InvalidInputError
from smmpanel.kernel.facts import FactRow
from smmpanel.kernel.settings import Settings

D = Decimal
OWNER = staff(None, Permission.SETTINGS_EDIT)
BRONZE, GOLD = TierTerms("Bronze", D(0)), TierTerms("Gold", D(100), D(10), "*", ("{discount}% off",))
SILVER = TierTerms("Silver", D(50), D("2.5"))


async def test_presets_bring_their_tables_once_and_progress_is_reckoned_as_printed(tmp_path, database_url):
    settings = Settings(home=tmp_path, database_url=database_url, preset="homemmo")
    for _ in range(2):
        await prepare_panel(settings, database_url, environ={})
    async with open_panel(settings, database_url) as panel, panel.db.transaction() as session:
        tiers = await all_tiers(session)
    assert [(one.level, one.name, one.icon, one.min_spent, one.discount) for one in tiers] == [
        (0, "Thành viên Cấp 1", "*", 0, 0),
        (1, "Thành viên Cấp 2", "**", 1_000_000, 5),
        (2, "Thành viên Cấp 3", "***", 5_000_000, 10),
        (3, "VIP", "👑", 10_000_000, 15),
    ]
    assert tiers[1].said_benefits == ["Giảm 5% mọi đơn hàng", "Hỗ trợ ưu tiên", "Không giới hạn số đơn/ngày"]
    assert [one.shown_icon for one in tiers] == ["★", "★★", "★★★", "👑"]
    at = standing_among(tiers, D(1_500_000))
    assert (at.tier, at.next, at.remaining, at.progress_percent) == (tiers[1], tiers[2], D(3_500_000), 30)
    assert standing_among(tiers, D(4_999_999)).progress_percent == 99
    top = standing_among(tiers, D(10_000_000))
    assert (top.tier, top.next, top.remaining, top.progress_percent) == (tiers[3], None, 0, 100)
    assert standing_among([], D(5)).tier is None


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (replace(SILVER, name="GOLD"), "name"),
        (replace(SILVER, min_spent=D(100)), "min_spent"),
        (replace(SILVER, discount=D(11)), "discount"),
        (replace(SILVER, min_spent=D(200)), "discount"),
    ],
)
async def test_a_table_that_makes_no_sense_is_refused(panel, wanted, field):
    async with panel.db.transaction() as session:
        with pytest.raises(InvalidInputError) as first:
            await add_tier(session, GOLD, actor=OWNER)
        await add_tier(session, BRONZE, actor=OWNER)
        gold = await add_tier(session, GOLD, actor=OWNER)
        with pytest.raises(InvalidInputError) as refused:
            await add_tier(session, wanted, actor=OWNER)
        with pytest.raises(InvalidInputError) as lowest:
            await remove_tier(session, (await all_tiers(session))[0].id, actor=OWNER)
        with pytest.raises(ForbiddenError):
            await remove_tier(session, gold, actor=staff(None, Permission.SETTINGS_VIEW))
        assert [one.name for one in await all_tiers(session)] == ["Bronze", "Gold"]
    assert first.value.fields["field"] == lowest.value.fields["field"] == "min_spent"
    assert refused.value.fields["field"] == field


async def test_changes_are_counted_before_and_carried_out_after(panel):
    async with panel.db.transaction() as session:
        people = {D(spent): await make_user(session) for spent in (0, 10, 60, 99, 100, 500)}
        for number, (spent, user) in enumerate(people.items()):
            if spent:
                session.add(OrderSpend(order_id=number, user_id=user, earned=spent))
                session.add(UserSpend(user_id=user, spent=spent))
        await add_tier(session, BRONZE, actor=OWNER)
        gold = await add_tier(session, GOLD, actor=OWNER)

    async def now() -> dict[int, tuple[str, Decimal]]:
        await fit_tiers.function(panel)
        async with panel.db.transaction() as session:
            standings = {spent: (await standing_of(session, user))[0] for spent, user in people.items()}
            in_force = {spent: await discount_in_force(session, user) for spent, user in people.items()}
            for spent, standing in standings.items():
                assert standing.tier is not None
                assert in_force[spent].percent == standing.tier.discount
        return {int(spent): (standing.tier.name, standing.tier.discount) for spent, standing in standings.items()}

    async def told(change: TierTerms | None, tier_id: int = 0) -> Consequences:
        async with panel.db.transaction() as session:
            tiers = await all_tiers(session)
            return await consequences_of(session, tiers, with_tier(tiers, tier_id, change))

    assert await now() == {
        0: ("Bronze", 0), 10: ("Bronze", 0), 60: ("Bronze", 0), 99: ("Bronze", 0), 100: ("Gold", 10), 500: ("Gold", 10)
    }  # fmt: skip
    assert await told(SILVER) == Consequences(2, 0, 0, is_more=False)
    async with panel.db.transaction() as session:
        silver = await add_tier(session, SILVER, actor=OWNER)
    assert (await now())[60] == (await now())[99] == ("Silver", D("2.5"))
    raised = replace(GOLD, min_spent=D(200), discount=D(12))
    assert await told(raised, gold) == Consequences(0, 1, 1, is_more=False)
    async with panel.db.transaction() as session:
        assert await edit_tier(session, gold, raised, actor=OWNER) is True
        assert await edit_tier(session, gold, raised, actor=OWNER) is False
    assert (await now())[100], (await now())[500] == (("Silver", D("2.5")), ("Gold", D(12)))
    assert await told(None, silver) == Consequences(0, 3, 0, is_more=False)
    async with panel.db.transaction() as session:
        await remove_tier(session, silver, actor=OWNER)
    assert (await now())[100] == ("Bronze", 0)
    async with panel.db.transaction() as session:
        rows = await session.scalars(select(FactRow.body).where(FactRow.name == TierChanged.fact).order_by(FactRow.id))
        moves = [(int(row["user_id"]), row["name"], row["promoted"]) for row in rows]
        entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
        assert (await session.execute(text("SELECT max(moves) FROM user_spends"))).scalar() == 3
        assert terms_of((await all_tiers(session))[1]) == raised
    assert moves.count((people[D(100)], "Silver", False)) == 1
    assert [one for one in moves if one[0] == people[D(100)]] == [
        (people[D(100)], "Gold", True), (people[D(100)], "Silver", False), (people[D(100)], "Bronze", False)
    ]  # fmt: skip
    assert not [one for one in moves if one[0] in {people[D(0)], people[D(10)]}]
    assert [one.subject for one in entries if one.subject.startswith("tier:")][-2:] == [
        f"tier:{gold}",
        f"tier:{silver}",
    ]
