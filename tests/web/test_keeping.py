"""Rendered parts are kept under what they depend on, and never take more room than there is."""

from sys import getsizeof

from markupsafe import Markup

from smmpanel.web.keeping import KeptParts


def test_a_part_is_rendered_once():
    kept, rendered = KeptParts(), []

    def render():
        rendered.append(1)
        return "<b>1</b>"

    assert kept.part(("a", 1), render) == kept.part(("a", 1), render) == Markup("<b>1</b>")
    assert kept.part(("a", 2), lambda: "<b>2</b>") == "<b>2</b>"
    assert rendered == [1]


def test_what_was_not_asked_for_longest_makes_room():
    size = getsizeof(Markup("x" * 100))  # noqa: S704
    kept = KeptParts(room=3 * size)
    for name in "abc":
        kept.part(name, lambda: "x" * 100)
    kept.part("a", lambda: "not rendered again")
    kept.part("d", lambda: "y" * 100)

    assert kept.used == 3 * size
    assert kept.part("a", lambda: "anew") == "x" * 100
    assert kept.part("b", lambda: "anew") == "anew"


def test_a_part_that_is_larger_than_all_room_is_returned_and_not_kept():
    kept = KeptParts(room=200)

    assert kept.part("a", lambda: "x" * 500) == "x" * 500
    assert kept.used == 0
    assert kept.part("a", lambda: "anew") == "anew"
