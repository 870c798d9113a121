"""What stands around the pages of a panel: the ways between its features, and what of them waits for whom."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from starlette.requests import Request

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.growth.tiers import SPENT, TIERS, read_tiers, standing_among
from smmpanel.kernel.i18n import marked
from smmpanel.web.brand import OPTIONS as BRAND_OPTIONS
from smmpanel.web.brand import brand_of
from smmpanel.web.shell import NavGroup, NavItem, Person, Shell, TierMark
from smmpanel.web.transactions import panel_of

LANGUAGE_OPTION = "language"
LANGUAGES_OPTION = "languages"
"""The languages that are offered; all of them unless the panel's owner chose some."""
TIME_ZONE_OPTION = "time_zone"
LINKS_OPTION = "brand_links"
COUNTED_MAX = 100
_ZERO = Decimal(0)

_CATALOGUE = marked("Catalogue")
_ACCOUNT = marked("Account")
_PANEL = marked("Panel")

# icons: award bell-ring circle-plus code-xml cog droplets layers layout-dashboard list-checks plug receipt-text
# icons: refresh-ccw repeat scale scroll-text settings shield star tags trending-up users wallet
CUSTOMER_NAV = (
    NavGroup(
        "",
        (
            NavItem("/orders/new", marked("New order"), "circle-plus", keys="n"),
            NavItem("/orders/mass", marked("Mass order"), "layers", keys="m"),
            NavItem("/orders", marked("Orders"), "list-checks", keys="o"),
            NavItem("/drip-feed", marked("Drip-feed"), "droplets"),
            NavItem("/subscriptions", marked("Subscriptions"), "repeat"),
            NavItem("/refills", marked("Refills"), "refresh-ccw", keys="r"),
        ),
    ),
    NavGroup(
        _CATALOGUE,
        (
            NavItem("/services", marked("Services"), "tags", keys="s"),
            NavItem("/favourites", marked("Favourites"), "star"),
            NavItem("/updates", marked("Updates"), "trending-up"),
        ),
    ),
    NavGroup(
        _ACCOUNT,
        (
            NavItem("/add-funds", marked("Add funds"), "wallet", keys="f"),
            NavItem("/deposits", marked("Deposits"), "banknote"),
            NavItem("/voucher", marked("Voucher"), "ticket"),
            NavItem("/statement", marked("Statement"), "receipt-text"),
            NavItem("/affiliates", marked("Affiliates"), "hand-coins"),
            NavItem("/api-keys", marked("API"), "code-xml"),
        ),
    ),
)
CUSTOMER_TABS = (
    NavItem("/orders/new", marked("New order"), "circle-plus"),
    NavItem("/orders", marked("Orders"), "list-checks"),
    NavItem("/services", marked("Services"), "tags"),
    NavItem("/add-funds", marked("Add funds"), "wallet"),
)


class _StaffWay(NamedTuple):
    group: str
    item: NavItem
    needs: Permission | None


STAFF_WAYS = (
    _StaffWay("", NavItem("/staff", marked("Dashboard"), "layout-dashboard", keys="d"), None),
    _StaffWay("", NavItem("/staff/orders", marked("Orders"), "list-checks", keys="o"), Permission.ORDERS_VIEW),
    _StaffWay("", NavItem("/staff/deposits", marked("Deposits"), "wallet", keys="m"), Permission.DEPOSITS_VIEW),
    _StaffWay("", NavItem("/staff/users", marked("Users"), "users", keys="u"), Permission.USERS_VIEW),
    _StaffWay("", NavItem("/staff/referrals", marked("Affiliates"), "hand-coins"), Permission.REFERRALS_VIEW),
    _StaffWay(
        "",
        NavItem("/staff/vouchers", marked("Vouchers"), "ticket", holds=("/staff/coupons", "/staff/bonuses")),
        Permission.VOUCHERS_VIEW,
    ),
    _StaffWay("", NavItem("/staff/alerts", marked("Alerts"), "bell-ring", keys="a"), None),
    _StaffWay(_CATALOGUE, NavItem("/staff/services", marked("Services"), "tags", keys="s"), Permission.SERVICES_VIEW),
    _StaffWay(_CATALOGUE, NavItem("/staff/tiers", marked("Tiers"), "award"), Permission.SETTINGS_VIEW),
    _StaffWay(
        _CATALOGUE, NavItem("/staff/providers", marked("Providers"), "plug", keys="p"), Permission.PROVIDERS_VIEW
    ),
    _StaffWay(
        _PANEL, NavItem("/staff/payment-methods", marked("Payment methods"), "credit-card"), Permission.GATEWAYS_VIEW
    ),
    _StaffWay(_PANEL, NavItem("/staff/books", marked("Books"), "scale", keys="b"), Permission.LEDGER_VIEW),
    _StaffWay(_PANEL, NavItem("/staff/jobs", marked("Jobs"), "cog", keys="j"), Permission.SETTINGS_VIEW),
    _StaffWay(_PANEL, NavItem("/staff/audit", marked("Audit log"), "scroll-text", keys="l"), Permission.AUDIT_VIEW),
    _StaffWay(_PANEL, NavItem("/staff/people", marked("Staff"), "shield", keys="t"), Permission.STAFF_VIEW),
    _StaffWay(_PANEL, NavItem("/staff/settings", marked("Settings"), "settings"), Permission.SETTINGS_VIEW),
)
STAFF_TABS = ("/staff", "/staff/orders", "/staff/users", "/staff/services")

_OPTIONS = (
    "(SELECT jsonb_object_agg(name, value) FROM panel_options WHERE name = ANY(CAST(:names AS text[]))) AS options"
)
_FOR_VISITOR = text(f"SELECT {_OPTIONS}")
_FOR_CUSTOMER = text(
    f"""
SELECT {_OPTIONS},
       (SELECT balance FROM ledger_accounts
         WHERE owner_id = :user AND kind = 'wallet' AND currency = :currency) AS balance,
       (SELECT count(*) FROM (SELECT FROM notifications WHERE user_id = :user AND read_at IS NULL LIMIT :most) n) AS unread,
       {TIERS} AS tiers, {SPENT} AS spent
"""
)
_FOR_STAFF = text(
    f"""
SELECT {_OPTIONS},
       (SELECT count(*) FROM (SELECT FROM alerts WHERE cleared_at IS NULL LIMIT :most) a) AS alerts,
       (SELECT count(*) FROM (SELECT FROM payment_receipts WHERE state = 'review' LIMIT :most) r) AS money,
       (SELECT count(*) FROM (SELECT FROM deposits WHERE gateway = 'manual' AND state IN ('created', 'pending') LIMIT :most) d)
           AS by_hand,
       (SELECT count(*) FROM (SELECT FROM orders WHERE unconfirmed LIMIT :most) o) AS unconfirmed
"""
)
_NAMES = [*BRAND_OPTIONS, LANGUAGE_OPTION, LANGUAGES_OPTION, TIME_ZONE_OPTION, LINKS_OPTION]


async def read_shell(request: Request, viewer: Viewer | None) -> Shell:
    """Read, in one statement, what stands around a page."""
    panel, side = panel_of(request), request.state.side
    asked: dict[str, Any] = {"names": _NAMES, "most": COUNTED_MAX}
    statement = _FOR_VISITOR
    if viewer is not None:
        statement = _FOR_STAFF if side == "staff" else _FOR_CUSTOMER
        asked |= {"user": viewer.user_id, "currency": panel.currency}
    async with panel.db.reading() as session:
        row = (await session.execute(statement, asked)).mappings().one()
    options: Mapping[str, Any] = row["options"] or {}
    request.state.panel_language = options.get(LANGUAGE_OPTION)
    request.state.panel_languages = options.get(LANGUAGES_OPTION)
    request.state.panel_time_zone = options.get(TIME_ZONE_OPTION) or "UTC"
    brand = brand_of(options, request.app.state.brand)
    links = {str(name): str(href) for name, href in dict(options.get(LINKS_OPTION) or {}).items()}
    ways: frozenset[str] = request.app.state.ways
    if viewer is None:
        return Shell(brand, links=links, ways=ways)
    if side == "staff":
        return _staff_shell(Shell(brand, "staff", _person(viewer), links=links, ways=ways), viewer, row)
    return Shell(
        brand,
        "customer",
        _person(viewer),
        [replace(group, items=_existing(group.items, ways)) for group in CUSTOMER_NAV],
        _existing(CUSTOMER_TABS, ways),
        balance=row["balance"] if row["balance"] is not None else _ZERO,
        tier=_tier(row),
        unread=row["unread"],
        links=links,
        ways=ways,
    )


def _tier(row: RowMapping) -> TierMark | None:
    standing = standing_among(read_tiers(row["tiers"]), row["spent"])
    tier, following = standing.tier, standing.next
    if tier is None:
        return None
    mark = TierMark(tier.name, tier.shown_icon, tier.discount)
    if following is None:
        return mark
    return replace(
        mark,
        next_name=following.name,
        next_discount=following.discount,
        remaining=standing.remaining,
        progress=standing.progress_percent,
    )


def _existing(items: Sequence[NavItem], ways: frozenset[str]) -> list[NavItem]:
    return [item for item in items if item.href in ways]


def _staff_shell(shell: Shell, viewer: Viewer, row: RowMapping) -> Shell:
    counts = {
        "/staff/orders": row["unconfirmed"],
        "/staff/deposits": row["money"] + row["by_hand"],
        "/staff/alerts": row["alerts"],
    }
    existing = [way for way in STAFF_WAYS if way.item.href in shell.ways]
    open_ways = [way for way in existing if way.needs is None or viewer.may(way.needs)]
    items = [
        (way.group, replace(way.item, count=counts.get(way.item.href, 0), hot=bool(counts.get(way.item.href))))
        for way in open_ways
    ]
    groups = [
        NavGroup(label, [item for group, item in items if group == label])
        for label in dict.fromkeys(group for group, _ in items)
    ]
    return replace(shell, nav=groups, tabs=_tabs(items), unread=row["alerts"])


def _tabs(items: Sequence[tuple[str, NavItem]]) -> list[NavItem]:
    return [item for _, item in items if item.href in STAFF_TABS]


def _person(viewer: Viewer) -> Person:
    return Person(viewer.username, viewer.time_zone, viewer.is_staff, viewer.acting_for)
