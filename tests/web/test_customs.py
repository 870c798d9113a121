"""The panel's own language, where nobody named one and no page was drawn."""

from types import SimpleNamespace

import pytest

from smmpanel.kernel.options import write_option
from smmpanel.web.customs import KEPT_SECONDS, Customs, keep_customs


@pytest.fixture
def request_of(panel):
    def make(customs):
        return SimpleNamespace(
            app=SimpleNamespace(state=SimpleNamespace(panel=panel, customs=customs)), state=SimpleNamespace()
        )

    return make


async def say(panel, language):
    async with panel.db.transaction() as session:
        await write_option(session, "language", language)


async def test_they_are_read_again_after_a_while(panel, request_of):
    clock = SimpleNamespace(now=1000.0)
    customs, request = Customs(clock=lambda: clock.now), None
    seen = []
    for language, passed in (("vi", 0), ("id", KEPT_SECONDS - 1), ("id", 1)):
        await say(panel, language)
        clock.now += passed
        request = request_of(customs)
        await keep_customs(request)
        seen.append(request.state.panel_language)

    assert seen == ["vi", "vi", "id"]
    assert request.state.panel_time_zone == "UTC"
    assert request.state.panel_languages is None
