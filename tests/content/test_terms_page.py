"""The terms of use: the owner's own or the usual ones, as plain text that nothing can break out of."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.shop import customer, visitor
from smmpanel.content.terms import USUAL_TERMS, sections_of, usual_sections
from smmpanel.kernel.options import write_option

OWN_TEXT = """We are glad that you are here.

## Payment
Pay first.
Then order.

Nothing is free.
## <script>alert(1)</script>

Good & well.
"""


def test_headings_and_blank_lines_make_sections():
    read = [(one.anchor, one.heading, list(one.paragraphs)) for one in sections_of(OWN_TEXT)]

    assert read == [
        ("section-1", "", ["We are glad that you are here."]),
        ("section-2", "Payment", ["Pay first.\nThen order.", "Nothing is free."]),
        ("section-3", "<script>alert(1)</script>", ["Good & well."]),
    ]


@given(st.text(alphabet="a# \n\r", max_size=60))
def test_no_word_is_lost_and_no_anchor_used_twice(text):
    sections = sections_of(text)
    said = "".join(one.heading + "".join(one.paragraphs) for one in sections)

    assert said.count("a") == text.count("a")
    assert len({one.anchor for one in sections}) == len(sections)


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_without_an_own_text_the_usual_terms_are_shown(panel, language):
    page = await visitor(panel).look(f"/terms?lang={language}")

    headings = re.findall(r'<h2 id="([^"]+)">', page)
    assert len(headings) == len(USUAL_TERMS)
    assert re.findall(r'<li><a href="#([^"]+)"', page) == headings
    assert usual_sections(language)[0].heading in page
    assert "2026" in page


async def test_the_owners_text_is_shown_as_text(panel):
    async with panel.db.transaction() as session:
        await write_option(session, "terms_text", OWN_TEXT)

    page = await (await customer(panel)).look("/terms")

    assert '<h2 id="section-2">Payment</h2><p>Pay first.\nThen order.</p>' in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Good &amp; well." in page
    assert "API keys" not in page.partition("<main")[2].partition("</main")[0]


async def test_each_language_can_have_its_text(panel):
    async with panel.db.transaction() as session:
        await write_option(session, "terms_text", {"en": "In English.", "vi": "Bằng tiếng Việt."})
    look = visitor(panel).look

    assert "Bằng tiếng Việt." in await look("/terms?lang=vi")
    assert "In English." in await look("/terms?lang=id")
