"""The lists of the order form's pickers: long, and the same for all who have one price list, so they are kept as rendered."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from starlette.requests import Request

from smmpanel.catalog.kept_lists import KeptList, ShelfRow
from smmpanel.catalog.price_lists import ServiceRow
from smmpanel.orders.pages.offers import Chosen, Offer, shelves_of
from smmpanel.web.pages import kept_part


@dataclass(frozen=True, slots=True)
class Choices:
    """The lists, with what is chosen marked in them. The two of options are for browsers without JavaScript."""

    categories: Markup
    services: Markup
    category_options: Markup
    service_options: Markup


@dataclass(frozen=True, slots=True)
class ShelvesPart:
    """What orders/new_categories.html and orders/new_category_options.html receive."""

    shelves: Sequence[ShelfRow]


@dataclass(frozen=True, slots=True)
class ServicesPart:
    """What orders/new_service_options.html receives."""

    services: Sequence[ServiceRow]


@dataclass(frozen=True, slots=True)
class OffersPart:
    """What orders/new_services.html receives."""

    offered: Sequence[Offer]
    selected: int


def choices_of(request: Request, kept: KeptList, chosen: Chosen, offered: Sequence[Offer]) -> Choices:
    """Return the lists from which to choose something else than what is chosen."""
    shelf, service, platform = chosen.category.id, chosen.service.id, chosen.platform
    times = tuple(one.timing and one.timing.median_seconds for one in offered)

    def part(name: str, context: object, *of: Hashable) -> Markup:
        # A list read anew has another mark: nothing that was made of the one before is found under it.
        return kept_part(request, f"orders/new_{name}.html", context, of=(kept.mark, *of))

    return Choices(
        categories=_selected(part("categories", ShelvesPart(shelves_of(kept, platform)), platform), shelf),
        services=_selected(part("services", OffersPart(offered, 0), shelf, times), service),
        category_options=_option(part("category_options", ShelvesPart(kept.shelves)), shelf),
        service_options=_option(part("service_options", ServicesPart(kept.of(category_id=shelf)), shelf), service),
    )


def _selected(part: Markup, value: int) -> Markup:
    # Set into what is kept, which would otherwise be kept once for each choice. Texts have no bare quotation marks.
    return _changed(part, f'aria-selected="false" data-value="{value}"', f'aria-selected="true" data-value="{value}"')


def _option(part: Markup, value: int) -> Markup:
    return _changed(part, f'<option value="{value}">', f'<option value="{value}" selected>')


def _changed(part: Markup, before: str, after: str) -> Markup:
    return Markup(str.replace(part, before, after, 1))  # noqa: S704  numbers between marks of our own
