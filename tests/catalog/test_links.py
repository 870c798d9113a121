"""Links of orders: what passes, what is refused and why, and when two of them are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.catalog.links import LINK_BYTES_MAX, NormalLink, check_link
from smmpanel.catalog.order_faults import OrderFault, OrderFieldError
from smmpanel.catalog.platforms import PLATFORMS, platform_of, platform_of_host


def refusal(text, platform=None):
    with pytest.raises(OrderFieldError) as failure:
        check_link(text, platform)
    return failure.value


def link_or_error(text, platform):
    try:
        return check_link(text, platform)
    except OrderFieldError as error:
        return error


def key(text, platform=None):
    return check_link(text, platform).key


@pytest.mark.parametrize(
    ("platform", "typed", "stored"),
    [
        ("instagram", "@Some.Name", "https://instagram.com/Some.Name"),
        ("instagram", " some_name ", "https://instagram.com/some_name"),
        ("instagram", "instagram.com/some_name", "https://instagram.com/some_name"),
        ("tiktok", "name1", "https://www.tiktok.com/@name1"),
        ("x", "@jack", "https://x.com/jack"),
        ("telegram", "durov", "https://t.me/durov"),
        ("threads", "zuck", "https://www.threads.net/@zuck"),
        ("youtube", "@handle", "https://www.youtube.com/@handle"),
        ("twitch", "streamer", "https://www.twitch.tv/streamer"),
        ("zalo", "0912345678", "https://zalo.me/0912345678"),
        ("website", "example.com/page", "https://example.com/page"),
        (None, "youtu.be/abc", "https://youtu.be/abc"),
        (None, "example.com/page", "example.com/page"),
        (None, "INVITE-77", "INVITE-77"),
        (None, "buyer@example.com", "buyer@example.com"),
    ],
)
def test_a_name_or_bare_host_is_completed_where_that_is_certain(platform, typed, stored):
    assert check_link(typed, platform).text == stored


@pytest.mark.parametrize(
    "typed",
    [
        "https://www.instagram.com/p/AbC_1/?igsh=xyz#fault=timeout",
        "HTTP://Instagram.com/name/",
        "https://m.instagram.com/name?utm_source=x",
    ],
)
def test_a_full_link_is_stored_as_typed_with_its_query_and_fragment(typed):
    assert check_link(f"  {typed}\n", "instagram").text == typed


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ("instagram", "https://instagr.am/p/x"),
        ("tiktok", "https://vm.tiktok.com/ZM1"),
        ("tiktok", "https://vt.tiktok.com/ZS1/"),
        ("youtube", "https://youtu.be/dQw4w9WgXcQ"),
        ("facebook", "https://fb.watch/abc/"),
        ("facebook", "https://m.facebook.com/story.php?story_fbid=1&id=2"),
        ("telegram", "https://telegram.me/durov"),
        ("x", "https://twitter.com/jack/status/20"),
        ("threads", "https://www.threads.com/@zuck"),
        ("spotify", "https://open.spotify.com/track/1"),
        ("soundcloud", "https://on.soundcloud.com/abc"),
        ("discord", "https://discord.gg/abc"),
        ("pinterest", "https://pin.it/abc"),
        ("shopee", "https://shopee.vn/shop-i.1.2"),
        ("website", "https://instagram.com/name"),
        ("website", "http://93.184.216.34:8080/x"),
    ],
)
def test_links_of_the_platform_pass_and_stay_as_they_are(platform, text):
    assert check_link(text, platform).text == text


@pytest.mark.parametrize(
    ("platform", "text", "reason"),
    [
        ("instagram", "https://www.tiktok.com/@name", "is not a link to Instagram"),
        ("instagram", "https://instagram.com.evil.example/p/x", "is not a link to Instagram"),
        ("instagram", "https://notinstagram.com/p/x", "is not a link to Instagram"),
        ("instagram", "tiktok.com", "is not a link to Instagram"),
        ("instagram", "https://www.instagram.com/?hl=en", "names no profile or post at Instagram"),
        ("facebook", "john.smith", "is not a link to Facebook"),
        ("youtube", "handle", "is not a link to YouTube"),
        ("instagram", "https://instagram.com:8443/name", "must not name a port at Instagram"),
        ("website", "just-a-word", "is not the address of a website"),
        (None, "https://user:secret@example.com/", "must not contain a user name or password before the host"),
        (None, "https://instagram.com@evil.example/", "must not contain a user name or password before the host"),
        (None, "javascript:alert(1)", "must begin with https:// or http://"),
        (None, "ftp://example.com/x", "must begin with https:// or http://"),
        (None, "https:example.com", "must begin with https:// or http://"),
        (None, "data:text/html,x", "must begin with https:// or http://"),
        (None, "https://", "does not name a public web host"),
        (None, "@example.com/x", "does not name a public web host"),
        (None, "//example.com/x", "does not name a public web host"),
        (None, "https://localhost/", "does not name a public web host"),
        (None, "https://printer.local/", "names a private host"),
        (None, "https://a.localhost/", "names a private host"),
        (None, "https://127.0.0.1/", "names a private or malformed numeric address"),
        (None, "127.0.0.1/admin", "names a private or malformed numeric address"),
        (None, "https://169.254.169.254/latest", "names a private or malformed numeric address"),
        (None, "https://10.1/", "names a private or malformed numeric address"),
        (None, "https://0x7f.0.0.0x1/", "names a private or malformed numeric address"),
        (None, "https://１２７.0.0.1/", "names a private or malformed numeric address"),
        (None, "https://2130706433/", "does not name a public web host"),
        (None, "https://[::1]/", "must name a host, not an IPv6 address"),
        (None, "https://example.com:99999/", "does not name a public web host"),
        (None, "https://exa mple.com/", "contains a space, which no link has"),
        (None, "https://example.com/a\x00b", "contains the character U+0000, which no link has"),
        (None, "https://example.com/a\u202eb", "contains the character U+202E, which no link has"),
        (None, "https://example.com\\@evil.example/", "contains the character U+005C, which no link has"),
        (None, "https://example.com/\ud800", "contains the character U+D800, which no link has"),
        (None, "https://example.com/" + "a" * LINK_BYTES_MAX, f"is longer than {LINK_BYTES_MAX} bytes"),
        (None, "https://example.com/" + "é" * (LINK_BYTES_MAX // 2), f"is longer than {LINK_BYTES_MAX} bytes"),
    ],
)
def test_a_bad_link_is_refused_with_its_reason(platform, text, reason):
    error = refusal(text, platform)

    assert (error.code, error.field, error.reason) == (OrderFault.BAD_LINK, "link", reason)


@pytest.mark.parametrize("text", ["", "  \r\n\t"])
def test_no_link_is_told_apart_from_a_bad_one(text):
    assert refusal(text, "instagram").code == "missing_link"


@pytest.mark.parametrize(
    ("spellings", "expected"),
    [
        (
            ["https://www.instagram.com/Name/", "@name", "http://m.instagram.com/NAME?hl=en#x", "instagr.am/name"],
            "instagram.com/name",
        ),
        (
            ["https://instagram.com/p/AbC", "https://instagram.com/reel/AbC/?igsh=1", "instagram.com/name/reel/AbC"],
            "instagram.com/p/AbC",
        ),
    ],
)
def test_spellings_of_one_instagram_target_have_one_key(spellings, expected):
    assert {key(spelling, "instagram") for spelling in spellings} == {expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://www.youtube.com/watch?list=PL1&v=dQw4w9WgXcQ&t=3s", "youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://youtu.be/dQw4w9WgXcQ?si=abc", "youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://m.youtube.com/shorts/dQw4w9WgXcQ", "youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://www.youtube.com/@Handle/videos", "youtube.com/@handle"),
        ("https://www.youtube.com/channel/UCabC", "youtube.com/channel/UCabC"),
        ("https://www.youtube.com/playlist?list=PLaB&si=1", "youtube.com/playlist?list=PLaB"),
        ("https://www.tiktok.com/@Name/video/77?lang=en", "tiktok.com/video/77"),
        ("https://www.tiktok.com/@Name", "tiktok.com/@name"),
        ("https://vm.tiktok.com/ZMaB/", "vm.tiktok.com/ZMaB"),
        ("https://mobile.twitter.com/jack/status/20?s=20", "x.com/i/status/20"),
        ("https://x.com/Jack", "x.com/jack"),
        ("https://telegram.me/s/Durov/5", "t.me/durov/5"),
        ("https://t.me/joinchat/AbC", "t.me/+AbC"),
        ("https://t.me/SomeBot?start=R1", "t.me/somebot?start=R1"),
        (
            "https://web.facebook.com/permalink.php?id=2&story_fbid=1&x=y",
            "facebook.com/permalink.php?story_fbid=1&id=2",
        ),
        ("https://fb.com/Zuck/", "facebook.com/zuck"),
        ("https://discord.com/invite/aBc", "discord.gg/aBc"),
        ("https://open.spotify.com/intl-de/track/1aB?si=x", "open.spotify.com/track/1aB"),
        ("https://WWW.Example.com:443//A/b/?utm_source=x&id=3&fbclid=1#top", "example.com/A/b?id=3"),
        ("https://example.com:8080/", "example.com:8080"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
    ],
)
def test_a_key_keeps_what_identifies_and_nothing_else(text, expected):
    assert key(text) == expected


def test_keys_of_different_videos_pages_and_codes_differ():
    texts = [
        "https://youtu.be/aaaaaaaaaaa",
        "https://youtu.be/AAAAAAAAAAA",
        "https://example.com/?p=1",
        "https://example.com/?p=2",
        "https://instagram.com/p/abc",
        "https://instagram.com/p/ABC",
    ]
    assert len({key(text) for text in texts}) == len(texts)


def test_the_platform_that_a_link_belongs_to_is_told_even_if_none_was_expected():
    assert check_link("https://vm.tiktok.com/x").platform == "tiktok"
    assert check_link("https://example.com").platform is None


PLATFORM_CHOICES = st.sampled_from([None, "unheard-of", *PLATFORMS])
HOST_POOL = sorted(
    {host for each in PLATFORMS.values() for host in each.hosts} | {"example.com", "127.0.0.1", "m.m.me"}
)
MEANINGFUL_SEGMENTS = [
    "p",
    "reel",
    "s",
    "S",
    "joinchat",
    "status",
    "video",
    "photo",
    "watch",
    "shorts",
    "intl-a",
    "invite",
]
ODD_SEGMENTS = ["@Na", "@", "audio", "i", "+", "+Ab", "x.y", "A%20b", "ñ", "a:b", "a&v=1"]
SEGMENTS = st.sampled_from([*MEANINGFUL_SEGMENTS, *ODD_SEGMENTS]) | st.text(max_size=5)
QUERIES = st.sampled_from(["", "?v=abc&list=x", "?v=a%41&v=b", "?start=1&id=2&utm_source=3", "?", "?&&=", "?v="])
FRAGMENTS = st.sampled_from(["", "#", "#fault=drop", "#a?b"])
LIKELY_LINKS = st.builds(
    "{}{}{}/{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTPS://", "", "//", "javascript:"]),
    st.sampled_from(["", "www.", "m.", "www.m.", "web.", "@", "a:b@"]),
    st.sampled_from(HOST_POOL),
    st.lists(SEGMENTS, max_size=5).map("/".join),
    QUERIES,
    FRAGMENTS,
)


@given(st.text(max_size=60) | LIKELY_LINKS, PLATFORM_CHOICES)
def test_checking_is_total_and_the_key_of_a_key_is_the_key(text, platform):
    link = link_or_error(text, platform)
    if isinstance(link, OrderFieldError):
        assert link.code in {OrderFault.BAD_LINK, OrderFault.MISSING_LINK}
        assert link.reason
        return
    assert isinstance(link, NormalLink)
    assert check_link(link.key, platform).key == link.key
    assert check_link(link.text, platform) == link
    assert link.text.endswith(text.strip().removeprefix("@"))
    assert "\x00" not in link.text


GOOD_LINKS = st.builds(
    "{}{}{}/{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTPS://", ""]),
    st.sampled_from(["", "www.", "m.", "www.m.", "web."]),
    st.sampled_from([host for host in HOST_POOL if host != "127.0.0.1"]),
    st.lists(st.sampled_from([*MEANINGFUL_SEGMENTS, *ODD_SEGMENTS]), max_size=5).map("/".join),
    QUERIES,
    FRAGMENTS,
)


@given(GOOD_LINKS)
def test_a_key_never_carries_scheme_fragment_or_prefix(text):
    link = check_link(text)

    assert "#" not in link.key
    assert not link.key.startswith(("http:", "https:", "www."))
    assert link.text in {text, f"https://{text}"}


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Instagram Followers | Real | R30", "instagram"),
        ("🔥 𝗜𝗻𝘀𝘁𝗮𝗴𝗿𝗮𝗺 Likes", "instagram"),
        ("IG Story Views", "instagram"),
        ("TIK TOK Views [Instant]", "tiktok"),
        ("YT Watch Time", "youtube"),
        ("X Followers", "x"),
        ("Twitter (X) Retweets", "x"),
        ("Followers 2 X faster", None),
        ("Facebook Page Likes + Instagram bonus", "facebook"),
        ("Website Traffic from Instagram", "website"),
        ("InstagramFollowers", "instagram"),
        ("Tăng Zalo OA", "zalo"),
        ("Shopee Indonesia", "shopee"),
        ("", None),
        ("Best seller", None),
    ],
)
def test_a_platform_is_guessed_from_a_name(text, slug):
    assert platform_of(text) == slug


def test_every_platform_is_found_by_its_own_name_and_hosts():
    assert {slug: platform_of(each.name) for slug, each in PLATFORMS.items()} == {slug: slug for slug in PLATFORMS}
    for slug, platform in PLATFORMS.items():
        for host in platform.hosts:
            found = platform_of_host(f"sub.{host}")
            assert found is not None
            assert found.slug == slug


@given(st.text(max_size=200))
def test_guessing_is_total(text):
    assert platform_of(text) in {None, *PLATFORMS}
