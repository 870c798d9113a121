"""Reading a catalogue over API v2: every variant of a row, and no broken list taken for a small one."""

from decimal import Decimal

import pytest

from smmpanel.providers.adapters.panel_v2 import PanelV2
from smmpanel.providers.adapters.words import type_of
from smmpanel.providers.protocol import Catalogue, RefusedAccount, Unclear, UpstreamService

ROW = {
    "service": 1,
    "name": "Followers",
    "type": "Default",
    "category": "First Category",
    "rate": "0.90",
    "min": "50",
    "max": "10000",
    "refill": True,
    "cancel": True,
}
SERVICE = UpstreamService(
    external_id="1",
    name="Followers",
    category="First Category",
    type="default",
    rate=Decimal("0.9"),
    min=50,
    max=10000,
    refill=True,
    cancel=True,
    dripfeed=None,
)


async def catalogue_of(panel, body) -> Catalogue:
    panel.says(body)
    return await panel.adapter(PanelV2).services()


async def test_the_documented_row(panel):
    catalogue = await catalogue_of(panel, [ROW])
    assert (list(catalogue), catalogue.skipped) == ([SERVICE], 0)
    assert panel.asked[0].form == {"key": "0123456789abcdef0123456789abcdef", "action": "services"}


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"service": "1"}, "external_id", "1"),
        ({"service": "API100025"}, "external_id", "API100025"),
        ({"name": "Tom &amp; Jerry &lt;3 \U0001f525 [ID 5]"}, "name", "Tom & Jerry <3 \U0001f525 [ID 5]"),
        ({"name": "  a \n b\x00 "}, "name", "a b"),
        ({"name": "broken \ud83d half"}, "name", "broken ? half"),
        ({"category": "F&#039;s"}, "category", "F's"),
        ({"category": None}, "category", ""),
        ({"rate": 0.9}, "rate", Decimal("0.9")),
        ({"rate": 0.1 + 0.2}, "rate", Decimal("0.3")),
        ({"rate": "1,250.50"}, "rate", Decimal("1250.5")),
        ({"rate": 0}, "rate", Decimal(0)),
        ({"rate": "25000"}, "rate", Decimal(25000)),
        ({"min": 50}, "min", 50),
        ({"max": "10,000"}, "max", 10000),
        ({"refill": 1}, "refill", True),
        ({"refill": "0"}, "refill", False),
        ({"refill": None}, "refill", None),
        ({"cancel": "1"}, "cancel", True),
        ({"cancel": ""}, "cancel", None),
        ({"dripfeed": 1}, "dripfeed", True),
        ({"dripfeed": False}, "dripfeed", False),
        ({"dripfeed": "maybe"}, "dripfeed", None),
        ({"desc": "<p>Fast</p><ul><li>a&nbsp;b</li></ul><script>x</script>"}, "description", "Fast\na b\nx"),
        ({"description": "one<br />two"}, "description", "one\ntwo"),
        ({"average_time": "2 hours"}, "average_time", "2 hours"),
        ({"type": None}, "type", "default"),
        ({"type": "Something New"}, "type", "something_new"),
        ({"name_lang": {"en": "x"}, "extra": [1]}, "external_id", "1"),
    ],
)
async def test_variants_of_a_field(panel, given, field, value):
    (service,) = await catalogue_of(panel, [{**ROW, **given}])
    assert getattr(service, field) == value


@pytest.mark.parametrize("flags", [("refill",), ("cancel",), ("refill", "cancel")])
async def test_a_missing_flag_is_unknown_not_false(panel, flags):
    (service,) = await catalogue_of(panel, [{name: value for name, value in ROW.items() if name not in flags}])
    assert [getattr(service, flag) for flag in flags] == [None] * len(flags)


@pytest.mark.parametrize(
    ("word", "slug"),
    [
        ("Default", "default"), ("default", "default"), ("Package", "package"),
        ("Custom Comments", "custom_comments"), ("custom_comments", "custom_comments"),
        ("Custom_comments", "custom_comments"), ("custom-comments", "custom_comments"),
        ("Custom Comment", "custom_comments"), ("Custom Comments Package", "custom_comments_package"),
        ("Mentions", "mentions"), ("Mentions with Hashtags", "mentions_with_hashtags"),
        ("Mentions Custom List", "mentions_custom_list"), ("Mentions Hashtag", "mentions_hashtag"),
        ("Mentions User Followers", "mentions_user_followers"), ("Mentions Media Likers", "mentions_media_likers"),
        ("Comment Likes", "comment_likes"), ("Comment Replies", "comment_replies"), ("Poll", "poll"),
        ("Invites from Groups", "invites_from_groups"), ("SEO", "seo"), ("Web Traffic", "web_traffic"),
        ("Subscriptions", "subscriptions"), ("", "default"), (None, "default"),
    ],
)  # fmt: skip
def test_type_words(word, slug):
    assert type_of(word) == slug


async def test_packages_need_no_limits(panel):
    (service,) = await catalogue_of(panel, [{**ROW, "type": "Package", "min": None, "max": ""}])
    assert (service.type, service.min, service.max) == ("package", 1, 1)


BROKEN = [
    {"service": None}, {"service": ""}, {"service": 0}, {"service": "x" * 101}, {"service": True}, {"service": [1]},
    {"name": ""}, {"name": None}, {"rate": None}, {"rate": ""}, {"rate": "free"}, {"rate": "-1"}, {"rate": -0.01},
    {"rate": "1e12"}, {"rate": True}, {"min": None}, {"min": "-5"}, {"max": "lots"}, {"min": 10, "max": 5},
    {"max": "1.5"},
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=repr)
async def test_a_broken_row_is_skipped_and_counted(panel, broken):
    catalogue = await catalogue_of(panel, [ROW, {**ROW, "service": 2, **broken}, {**ROW, "service": 3}])
    assert ([service.external_id for service in catalogue], catalogue.skipped) == (["1", "3"], 1)


async def test_rows_that_are_none_and_doubles_are_counted(panel):
    rows = [{**ROW, "service": number} for number in range(1, 101)]
    catalogue = await catalogue_of(panel, [*rows, None, 5, {**ROW, "name": "Double"}])
    assert (len(catalogue), catalogue.skipped, catalogue[0].name) == (100, 3, "Followers")


async def test_too_many_broken_rows_make_the_list_unclear(panel):
    rows = [{**ROW, "service": number, "rate": "1" if number % 10 else None} for number in range(1, 101)]
    with pytest.raises(Unclear, match="10 of 100 services cannot be read"):
        await catalogue_of(panel, rows)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "success", "data": "Empty Data"},
        {"status": "success", "data": []},
        {"services": [ROW]},
        {},
        {"1": ROW, "status": "success"},
        {"1": {"name": "no service"}},
        "Empty Data",
        None,
        7,
        [{"a": 1}],
        [None],
        [[ROW]],
        b"<html></html>",
        b"",
        b'[{"service":1,',
    ],
)
async def test_what_is_no_list_is_never_an_empty_one(panel, body):
    with pytest.raises(Unclear):
        await catalogue_of(panel, body)


async def test_an_empty_list_is_an_empty_list(panel):
    assert list(await catalogue_of(panel, [])) == []


async def test_a_list_with_gaps_that_became_an_object_is_read(panel):
    catalogue = await catalogue_of(panel, {"0": ROW, "7": {**ROW, "service": 8}})
    assert [service.external_id for service in catalogue] == ["1", "8"]


async def test_a_refused_key_is_told(panel):
    with pytest.raises(RefusedAccount):
        await catalogue_of(panel, {"error": "Invalid API key"})


async def test_a_large_catalogue_is_read_whole(panel):
    rows = [{**ROW, "service": number, "description": "x" * 300} for number in range(1, 10_001)]
    catalogue = await catalogue_of(panel, rows)
    assert (len(catalogue), catalogue.skipped, catalogue[-1].external_id) == (10_000, 0, "10000")
