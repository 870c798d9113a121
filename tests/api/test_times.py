"""Times of the JSON API, as the caller's clock shows them."""

from datetime import UTC, datetime

import pytest

from smmpanel.api.times import local_date, local_time, maybe_local_time

MOMENT = datetime(2025, 10, 25, 18, 30, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("UTC", "2025-10-25T18:30:59"),
        ("Asia/Ho_Chi_Minh", "2025-10-26T01:30:59"),
        ("America/New_York", "2025-10-25T14:30:59"),
        ("Nowhere/Else", "2025-10-25T18:30:59"),
        ("../../etc/passwd", "2025-10-25T18:30:59"),
    ],
)
def test_times_have_no_zone_and_no_fraction(zone, written):
    assert local_time(MOMENT, zone) == maybe_local_time(MOMENT, zone) == written
    assert local_date(MOMENT, zone) == written[:10]


def test_no_time_is_none():
    assert maybe_local_time(None, "UTC") is None
