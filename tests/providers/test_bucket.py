"""The token bucket: what it may never do, whatever is asked of it and when."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.providers.bucket import Bucket, calls_left, slots_kept

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(seconds=60)

asks = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=90_000_000),  # microseconds since the ask before
        st.integers(min_value=1, max_value=200),
        st.booleans(),
        st.booleans(),
        st.integers(min_value=-2_000_000, max_value=0),  # how far behind the asker's clock is
    ),
    max_size=60,
)


def spend(bucket: Bucket, calls: int) -> Bucket:
    return Bucket(bucket.rate_per_minute, bucket.tokens - calls, bucket.refilled_at)


@given(rate=st.integers(min_value=1, max_value=5000), asks=asks)
def test_no_minute_ever_sees_more_calls_than_the_limit(rate, asks):
    bucket, now, grants = Bucket(rate, Decimal(0), T0 - timedelta(days=1)), T0, []
    for gap, wanted, urgent, due, behind in asks:
        now += timedelta(microseconds=gap)
        bucket = bucket.at(now + timedelta(microseconds=behind))
        calls = min(wanted, calls_left(bucket, urgent=urgent, due=due))
        bucket = spend(bucket, calls)
        grants.append((now, calls))

    for start, _ in grants:
        assert sum(calls for at, calls in grants if start <= at <= start + MINUTE) <= rate


@pytest.mark.parametrize("rate", [1, 2, 4, 10, 60, 600, 6000])
def test_whoever_asks_all_the_time_gets_nearly_all_of_the_limit(rate):
    bucket, now, granted = Bucket(rate, Decimal(0), T0), T0, 0
    while now < T0 + timedelta(minutes=10):
        now += timedelta(milliseconds=50)
        bucket = bucket.at(now)
        calls = calls_left(bucket, urgent=True, due=False)
        bucket, granted = spend(bucket, calls), granted + calls

    assert rate * 10 * 0.7 <= granted <= rate * 10
    if rate == 60:
        assert granted >= 570


@given(rate=st.integers(min_value=4, max_value=5000), tokens=st.decimals(0, 5000, places=4))
def test_what_can_wait_leaves_half_of_the_bucket(rate, tokens):
    bucket = Bucket(rate, min(tokens, Decimal(Bucket(rate, Decimal(0), T0).capacity)), T0)

    calls = calls_left(bucket, urgent=False, due=False)

    assert calls == 0 or bucket.tokens - calls >= Decimal(bucket.capacity) / 2


def test_patience_is_rewarded_with_one_call_before_all_others():
    bucket = Bucket(60, Decimal(1), T0)

    assert calls_left(bucket, urgent=False, due=False) == 0
    assert calls_left(bucket, urgent=False, due=True) == 1
    assert calls_left(bucket, urgent=True, due=False) == 1
    assert calls_left(bucket, urgent=True, due=True) == 0


@given(rate=st.integers(1, 5000), tokens=st.decimals(0, 3, places=4), wanted=st.decimals(0, 3, places=4))
def test_it_is_as_full_as_foretold(rate, tokens, wanted):
    bucket = Bucket(rate, tokens, T0).at(T0)
    wanted = min(wanted, Decimal(bucket.capacity))

    at = bucket.full_enough_at(wanted)

    assert bucket.at(at).tokens >= wanted
    if at > T0:
        assert bucket.at(at - timedelta(milliseconds=1)).tokens < wanted


@pytest.mark.parametrize(
    ("concurrency", "kind", "kept"),
    [
        (50, {"limited": False, "urgent": True, "waiting": False, "due": False}, 0),
        (50, {"limited": False, "urgent": True, "waiting": True, "due": False}, 1),
        (50, {"limited": False, "urgent": False, "waiting": True, "due": False}, 0),
        (50, {"limited": True, "urgent": False, "waiting": False, "due": False}, 12),
        (2, {"limited": True, "urgent": False, "waiting": False, "due": False}, 1),
        (1, {"limited": True, "urgent": False, "waiting": False, "due": False}, 0),
        (50, {"limited": True, "urgent": False, "waiting": True, "due": True}, 0),
    ],
)
def test_which_places_are_kept_for_others(concurrency, kind, kept):
    assert slots_kept(concurrency, **kind) == kept
