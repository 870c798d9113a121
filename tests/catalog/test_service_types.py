"""What each service type asks for, and that nothing but what was checked is billed and sent."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.catalog.order_faults import OrderFault, OrderFieldError
from smmpanel.catalog.service_types import (
    DELAYS,
    INTERVAL_MINUTES_MAX,
    QUANTITY_MAX,
    RUNS_MAX,
    SERVICE_TYPES,
    OrderContent,
    PriceBasis,
    Terms,
    provider_fields,
    read_order,
    type_named,
)
from smmpanel.kernel.errors import PanelError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LINK = "https://example.com/p/1"
TERMS = Terms(min=10, max=1000, dripfeed=True)

COMPLETE = {
    "default": {"link": LINK, "quantity": "100"},
    "package": {"link": LINK},
    "custom_comments": {"link": LINK, "comments": "\n".join(f"comment {n}" for n in range(12))},
    "custom_comments_package": {"link": LINK, "comments": "one\ntwo"},
    "mentions": {"link": LINK, "quantity": "100", "usernames": "a\nb"},
    "mentions_with_hashtags": {"link": LINK, "quantity": "100", "usernames": "a\nb", "hashtags": "#x"},
    "mentions_custom_list": {"link": LINK, "usernames": "\n".join(f"user{n}" for n in range(15))},
    "mentions_hashtag": {"link": LINK, "quantity": "100", "hashtag": "#summer"},
    "mentions_user_followers": {"link": LINK, "quantity": "100", "username": "someone"},
    "mentions_media_likers": {"link": LINK, "quantity": "100", "media": "https://instagram.com/p/x"},
    "comment_likes": {"link": LINK, "quantity": "100", "username": "Some One"},
    "comment_replies": {"link": LINK, "username": "Some One", "comments": "\n".join("abcdefghijkl")},
    "poll": {"link": LINK, "quantity": "100", "answer_number": "2"},
    "invites_from_groups": {"link": LINK, "quantity": "100", "groups": "g1\ng2"},
    "seo": {"link": LINK, "quantity": "100", "keywords": "best shoes\ncheap shoes"},
    "web_traffic": {
        "link": LINK,
        "quantity": "100",
        "country": "United States",
        "device": "5",
        "type_of_traffic": "3",
    },
    "subscriptions": {"username": "@Someone", "min": "100", "max": "200", "posts": "5", "delay": "30"},
}
BILLED = {
    "package": 1,
    "custom_comments": 12,
    "custom_comments_package": 1,
    "mentions_custom_list": 15,
    "comment_replies": 12,
    "subscriptions": 1000,
}


def read(type_slug, terms=TERMS, **changes):
    raw = {**COMPLETE[type_slug], **changes}
    return read_order(
        type_slug, {name: value for name, value in raw.items() if value is not None}, terms=terms, now=NOW
    )


def refusal(type_slug, terms=TERMS, **changes):
    with pytest.raises(OrderFieldError) as failure:
        read(type_slug, terms, **changes)
    return failure.value


def told(error):
    return error.field, error.code


def test_the_registry_holds_every_type_of_the_contract():
    assert {slug: each.wire_name for slug, each in SERVICE_TYPES.items()} == {
        "default": "Default",
        "package": "Package",
        "custom_comments": "Custom Comments",
        "custom_comments_package": "Custom Comments Package",
        "mentions": "Mentions",
        "mentions_with_hashtags": "Mentions with Hashtags",
        "mentions_custom_list": "Mentions Custom List",
        "mentions_hashtag": "Mentions Hashtag",
        "mentions_user_followers": "Mentions User Followers",
        "mentions_media_likers": "Mentions Media Likers",
        "comment_likes": "Comment Likes",
        "comment_replies": "Comment Replies",
        "poll": "Poll",
        "invites_from_groups": "Invites from Groups",
        "seo": "SEO",
        "web_traffic": "Web Traffic",
        "subscriptions": "Subscriptions",
    }
    assert [slug for slug, each in SERVICE_TYPES.items() if each.dripfeed] == ["default", "web_traffic"]
    assert set(COMPLETE) == set(SERVICE_TYPES)


@pytest.mark.parametrize(
    ("word", "slug"),
    [
        ("Default", "default"),
        ("Custom_comments", "custom_comments"),
        (" CUSTOM  comments-package ", "custom_comments_package"),
        ("custom_comment", "custom_comments"),
        ("mention_hastag", "mentions_hashtag"),
        ("comment_reply", "comment_replies"),
    ],
)
def test_a_type_is_known_by_every_spelling(word, slug):
    assert type_named(word) is SERVICE_TYPES[slug]


def test_every_type_is_known_by_its_wire_name_and_an_odd_word_by_none():
    assert [type_named(each.wire_name) for each in SERVICE_TYPES.values()] == list(SERVICE_TYPES.values())
    assert type_named("Super Boost") is None


@pytest.mark.parametrize("slug", SERVICE_TYPES)
def test_a_complete_order_of_each_type_is_read_billed_and_sent(slug):
    content = read(slug)

    assert content.quantity == BILLED.get(slug, 100)
    assert (content.runs, content.interval_minutes) == (None, None)
    sent = provider_fields(slug, link=content.link, quantity=content.quantity, fields=content.fields)
    assert sent == COMPLETE[slug]


@pytest.mark.parametrize("slug", SERVICE_TYPES)
def test_each_required_field_of_each_type_is_missed_by_name(slug):
    for name in COMPLETE[slug]:
        for absent in (None, "", " \r\n "):
            error = refusal(slug, **{name: absent})
            expected = {"link": OrderFault.MISSING_LINK, "comments": OrderFault.COMMENTS_MISSING}
            assert told(error) == (name, expected.get(name, OrderFault.FIELD_MISSING))


def test_a_posted_quantity_means_nothing_where_lines_or_packages_are_counted():
    assert read("custom_comments", quantity="1").quantity == 12
    assert read("package", quantity="5000").quantity == 1
    assert "quantity" not in read("custom_comments", quantity="1").fields


def test_lines_are_trimmed_blank_ones_dropped_and_what_is_counted_is_what_is_sent():
    content = read("custom_comments", Terms(1, 10), comments="  one \r\n\r\n two\n \t \nthree | four\rfive\n")

    assert content.fields == {"comments": "one\ntwo\nthree | four\nfive"}
    assert content.quantity == 4


def test_too_few_and_too_many_lines_are_refused_by_the_field_that_is_counted():
    few = refusal("custom_comments", comments="only one")
    many = refusal("mentions_custom_list", Terms(1, 3), usernames="a\nb\nc\nd")

    assert (told(few), few.limit) == (("comments", OrderFault.QUANTITY_MIN), 10)
    assert (told(many), many.limit) == (("usernames", OrderFault.QUANTITY_MAX), 3)


@pytest.mark.parametrize(
    "written", ["1e3", "100.0", "+100", "-1000000", "１０", "٣٠", "0x64", "1_00", "1,000", "ten", "1 00"]
)
def test_a_quantity_is_digits_and_nothing_else(written):
    assert told(refusal("default", quantity=written)) == ("quantity", "quantity_not_integer")


def test_a_quantity_is_bounded_by_the_service_and_by_us():
    low, high = refusal("default", quantity="9"), refusal("default", quantity="1001")

    assert (low.code, low.limit, str(low)) == ("quantity_min", 10, "quantity: is less than the minimum of 10")
    assert (high.code, high.limit, str(high)) == ("quantity_max", 1000, "quantity: is more than the maximum of 1000")
    assert refusal("default", quantity="9" * 5000).code == "quantity_max"
    assert refusal("default", Terms(0, 10), quantity="0").code == "quantity_min"
    assert refusal("default", Terms(1, 10**12), quantity=str(QUANTITY_MAX + 1)).limit == QUANTITY_MAX
    assert read("default", quantity=" 0010 ").quantity == 10


def test_dripfeed_multiplies_and_checks_each_run():
    content = read("default", runs="5", interval="60", quantity="1000")

    assert (content.quantity, content.runs, content.interval_minutes) == (5000, 5, 60)
    assert content.run_quantity == 1000
    assert refusal("default", runs="5", interval="60", quantity="9").code == "quantity_min"


@pytest.mark.parametrize("runs", [None, "", "0", "1", " "])
def test_no_runs_or_one_are_an_ordinary_order_even_where_dripfeed_is_not_offered(runs):
    content = read("default", Terms(10, 1000, dripfeed=False), runs=runs, interval="60")

    assert (content.quantity, content.runs, content.interval_minutes, content.run_quantity) == (100, None, None, 100)


@pytest.mark.parametrize(
    ("runs", "interval", "expected"),
    [
        ("-2", "60", ("runs", "runs_invalid")),
        ("2.5", "60", ("runs", "runs_invalid")),
        (str(RUNS_MAX + 1), "60", ("runs", "runs_invalid")),
        ("9" * 400, "60", ("runs", "runs_invalid")),
        ("5", None, ("interval", "interval_invalid")),
        ("5", "0", ("interval", "interval_invalid")),
        ("5", "-1", ("interval", "interval_invalid")),
        ("5", str(INTERVAL_MINUTES_MAX + 1), ("interval", "interval_invalid")),
    ],
)
def test_bad_runs_and_intervals_are_told_apart(runs, interval, expected):
    assert told(refusal("default", runs=runs, interval=interval)) == expected


def test_dripfeed_is_refused_where_the_service_or_its_type_has_none():
    assert refusal("default", Terms(10, 1000), runs="5", interval="60").code == "dripfeed_not_supported"
    assert refusal("poll", runs="5", interval="60").code == "dripfeed_not_supported"


def test_all_runs_or_posts_together_stay_within_our_bound():
    terms = Terms(1, QUANTITY_MAX, dripfeed=True)
    runs = refusal("default", terms, quantity=str(QUANTITY_MAX), runs="2", interval="1")
    posts = refusal("subscriptions", terms, max=str(QUANTITY_MAX), posts="2")

    assert (told(runs), runs.limit) == (("runs", "quantity_max"), QUANTITY_MAX)
    assert (told(posts), posts.limit) == (("posts", "quantity_max"), QUANTITY_MAX)


def test_the_link_is_checked_for_the_platform_and_completed():
    terms = Terms(10, 1000, platform="instagram")

    assert read("default", terms, link=" @name ").link == "https://instagram.com/name"
    assert read("default", terms, link="https://www.instagram.com/Name/?hl=en").link_key == "instagram.com/name"
    assert told(refusal("default", terms, link="https://tiktok.com/@name")) == ("link", "bad_link")
    assert read("default", link=f"{LINK}#fault=drop").link == f"{LINK}#fault=drop"


def test_web_traffic_needs_what_its_traffic_type_needs_and_sends_nothing_else():
    assert told(refusal("web_traffic", type_of_traffic="1")) == ("google_keyword", "field_missing")
    assert told(refusal("web_traffic", type_of_traffic="2", google_keyword="x")) == ("referring_url", "field_missing")
    assert told(refusal("web_traffic", type_of_traffic="4")) == ("type_of_traffic", "field_invalid")
    assert told(refusal("web_traffic", device="6")) == ("device", "field_invalid")
    bad = refusal("web_traffic", type_of_traffic="2", referring_url="https://127.0.0.1/")
    assert told(bad) == ("referring_url", "field_invalid")

    keyword = read("web_traffic", type_of_traffic="1", google_keyword="red shoes", referring_url="nonsense")
    assert keyword.fields["google_keyword"] == "red shoes"
    assert "referring_url" not in keyword.fields
    assert read("web_traffic", runs="2", interval="5").quantity == 200


def test_a_subscription_is_billed_for_all_that_it_can_produce():
    content = read("subscriptions", posts="7", old_posts="3", expiry="1/2/2027")

    assert content.quantity == (7 + 3) * 200
    assert (content.link, content.link_key) == ("@Someone", "someone")
    assert content.fields["expiry"] == "01/02/2027"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"posts": "0"}, ("posts", "field_invalid")),
        ({"posts": "-1"}, ("posts", "field_invalid")),
        ({"posts": "10001"}, ("posts", "field_invalid")),
        ({"min": "9"}, ("min", "quantity_min")),
        ({"max": "1001"}, ("max", "quantity_max")),
        ({"min": "300"}, ("min", "field_invalid")),
        ({"min": "1.5"}, ("min", "field_invalid")),
        ({"delay": "7"}, ("delay", "field_invalid")),
        ({"old_posts": "x"}, ("old_posts", "field_invalid")),
        ({"username": "two words"}, ("username", "field_invalid")),
        ({"expiry": "21/11/2026"}, ("expiry", "field_invalid")),
        ({"expiry": "30/02/2027"}, ("expiry", "field_invalid")),
        ({"expiry": "2027-02-01"}, ("expiry", "field_invalid")),
        ({"expiry": "1/1/99999"}, ("expiry", "field_invalid")),
        ({"expiry": "1/-1/2027"}, ("expiry", "field_invalid")),
    ],
)
def test_a_subscription_with_senseless_bounds_is_refused(changes, expected):
    assert told(refusal("subscriptions", **changes)) == expected


def test_the_delays_are_the_documented_ones():
    assert [read("subscriptions", delay=delay).fields["delay"] for delay in DELAYS] == list(DELAYS)
    assert DELAYS[:4] == ("0", "5", "10", "15")
    assert len(DELAYS) == 22


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x85", "\u2028", "\ud800"])
def test_characters_that_cannot_be_stored_or_sent_are_refused(character):
    comments = "\n".join(["fine"] * 11 + [f"not{character}fine"])
    expected = f"contains the control character U+{ord(character):04X}"

    for error in (refusal("custom_comments", comments=comments), refusal("comment_likes", username=f"a{character}b")):
        assert (error.code, error.reason) == ("field_invalid", expected)
    assert told(refusal("default", link=f"{LINK}{character}x")) == ("link", "bad_link")


def test_lengths_are_capped():
    assert refusal("comment_likes", username="a" * 256).limit == 255
    assert refusal("custom_comments", comments="a" * 500_001).code == "field_invalid"
    assert read("custom_comments_package", comments="a" * 500_000).quantity == 1


def test_fields_of_other_types_are_ignored():
    assert read("default", comments="x\ny", poll="1", username="z").fields == {}


def test_an_unknown_type_is_an_error_like_any_other():
    with pytest.raises(OrderFieldError) as failure:
        read_order("boost", {}, terms=TERMS, now=NOW)
    assert failure.value.code == OrderFault.TYPE_UNKNOWN
    assert isinstance(failure.value, PanelError)


FIELD_NAMES = sorted({field.name for each in SERVICE_TYPES.values() for field in each.fields} | {"runs", "interval"})
LIKELY_VALUES = st.sampled_from(
    ["", "0", "1", "2", "10", "100", "1000", "a\nb\r\nc", "@name", LINK, "01/01/2027", "30"]
)
RAW = st.dictionaries(st.sampled_from(FIELD_NAMES), LIKELY_VALUES | st.text(max_size=30)) | st.dictionaries(
    st.text(max_size=8), st.text(max_size=30)
)
SOME_TERMS = st.builds(
    Terms,
    st.integers(1, 50),
    st.integers(50, 10**12),
    st.booleans(),
    st.sampled_from([None, "instagram", "website", "gone"]),
)


@st.composite
def nearly_complete(draw):
    """An order that would pass, with up to two fields replaced by anything."""
    slug = draw(st.sampled_from(sorted(SERVICE_TYPES)))
    changed = draw(st.dictionaries(st.sampled_from(FIELD_NAMES), LIKELY_VALUES | st.text(max_size=30), max_size=2))
    return slug, {**COMPLETE[slug], **changed}


@given(nearly_complete() | st.tuples(st.sampled_from([*SERVICE_TYPES, "unheard-of"]), RAW), SOME_TERMS)
def test_anything_gives_an_order_or_names_the_field(typed, terms):
    slug, raw = typed
    try:
        content = read_order(slug, raw, terms=terms, now=NOW)
    except OrderFieldError as error:
        content = error
    if isinstance(content, OrderFieldError):
        assert content.code in set(OrderFault)
        assert content.reason
        return
    assert isinstance(content, OrderContent)
    assert 1 <= content.quantity <= QUANTITY_MAX
    assert content.run_quantity * (content.runs or 1) == content.quantity
    service_type = SERVICE_TYPES[slug]
    if service_type.basis in {PriceBasis.PER_QUANTITY, PriceBasis.PER_LINES}:
        assert terms.min <= content.run_quantity <= terms.max
    sent = provider_fields(slug, link=content.link, quantity=content.run_quantity, fields=content.fields)
    assert set(sent) <= {field.name for field in service_type.fields}
    assert not re.search("[\x00\r]", "".join(sent.values()))
    "".join(sent.values()).encode()
    again = read_order(slug, sent, terms=terms, now=NOW)
    assert (again.link_key, again.fields) == (content.link_key, content.fields)
