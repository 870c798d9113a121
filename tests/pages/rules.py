"""Whom each route of a page is for, and what is sent to it: what cannot be read off the routes themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pages.filling import CUSTOMER, OWNER, VISITOR
from pages.house import BANNED, CALLERS, EVERYTHING, STAFF_WITH, STAFF_WITHOUT, SUSPENDED
from pages.routes import PageRoute, page_routes
from smmpanel.accounts.access import Permission
from smmpanel.entrypoints.panel_settings.sections import READERS
from smmpanel.orders.staff.deeds import BULK_DEEDS, DEEDS

P = Permission
OPEN = {
    "GET /",
    "GET /robots.txt",
    "GET /sitemap.xml",
    "GET /terms",
    "GET /api-docs",
    "GET /sign-in",
    "POST /sign-in",
    "POST /sign-out",
    "GET /sign-up",
    "POST /sign-up",
    "GET /reset",
    "POST /reset",
    "GET /reset/{token}",
    "POST /reset/{token}",
    "GET /verify/{token}",
    "POST /verify/{token}",
    "GET /sign-in/code",
    "POST /sign-in/code",
    "POST /sign-in/passkey/options",
    "POST /sign-in/passkey",
    "GET /sign-in/openid",
    "GET /sign-in/openid/back",
    "GET /logo.{digest}.png",
    "GET /deposits/return/{reference}",
    "GET /services",
    "GET /compare",
    "GET /docs",
    "GET /redoc",
    "GET /docs/assets/{name}",
}
"""What everybody may call, whoever they are."""
FROM_THIS_MACHINE = {"GET /metrics"}
"""What nobody may call from elsewhere."""
FOR_ALL_STAFF = {"GET /staff", "GET /staff/alerts", "GET /staff/search"}
"""Staff pages that take no permission: each part of them does."""
READING = {"POST /staff/books/proof"}
"""What is sent by those who may only look."""
TAKES: Mapping[str, frozenset[Permission]] = {
    "POST /staff/deposits/second/{confirmation_id}/confirm": frozenset({P.DEPOSITS_SETTLE}),
    "POST /staff/deposits/second/{confirmation_id}/withdraw": frozenset({P.DEPOSITS_SETTLE}),
    "POST /staff/alerts/{alert_id}/clear": frozenset({P.PROVIDERS_EDIT}),
    "POST /staff/users/{user_id}/sign-in-as": frozenset({P.USERS_EDIT, P.USERS_BALANCE}),
    "POST /staff/users/{user_id}/balance": frozenset({P.USERS_BALANCE}),
    "POST /staff/users/{user_id}/discount": frozenset({P.USERS_EDIT}),
    "POST /staff/users/{user_id}/commission": frozenset({P.REFERRALS_EDIT}),
    "POST /staff/users/{user_id}/rates": frozenset({P.USERS_EDIT}),
    "POST /staff/users/{user_id}/rates/{service_id}/remove": frozenset({P.USERS_EDIT}),
    "POST /staff/users/{user_id}/state": frozenset({P.USERS_SUSPEND}),
    "POST /staff/users/{user_id}/sessions/{session_id}/revoke": frozenset({P.USERS_EDIT}),
    "POST /staff/users/{user_id}/sessions/revoke": frozenset({P.USERS_EDIT}),
    "POST /staff/users/{user_id}/second-factor/reset": frozenset({P.USERS_EDIT}),
    "POST /staff/users/{user_id}/keys/{key_id}/revoke": frozenset({P.USERS_EDIT}),
}
"""What a deed takes beside the permissions that its route names."""
SHARED = {"GET /favourites", "POST /favourites/{service_id}/keep", "POST /favourites/{service_id}/drop"}
"""Members' routes whose addresses name things that are nobody's own."""
MORE_IDS = {
    "user_id": "SELECT min(id) FROM users WHERE role = 'customer' AND id <> %(user)s",
    "alert_id": "SELECT max(id) FROM alerts WHERE cleared_at IS NULL AND subject LIKE 'provider:%%'",
    "invitation_id": "SELECT max(id) FROM invitations WHERE withdrawn_at IS NULL",
    "session_id": "SELECT min(id) FROM login_sessions WHERE user_id = %(user)s AND revoked_at IS NULL",
    "key_id": "SELECT min(id) FROM api_keys WHERE user_id = %(user)s AND revoked_at IS NULL",
    "job_id": "SELECT max(id) FROM procrastinate_jobs WHERE status = 'failed'",
    "notification_id": "SELECT max(id) FROM notifications WHERE user_id = %(user)s",
    "referral_id": "SELECT max(id) FROM referrals WHERE state = 'flagged'",
    "payout_id": "SELECT max(id) FROM payouts WHERE state = 'waiting'",
    "rule_id": "SELECT max(id) FROM bonus_rules WHERE stopped_at IS NULL",
    "coupon_id": "SELECT max(id) FROM coupons",
    "return_id": "SELECT max(id) FROM payment_returns",
    "confirmation_id": "SELECT max(id) FROM payment_confirmations WHERE state = 'waiting'",
    "passkey_id": "SELECT max(id) FROM passkeys WHERE user_id = %(user)s",
    "identity_id": "SELECT max(id) FROM outside_identities WHERE user_id = %(user)s",
    "route_id": "SELECT id FROM service_routes ORDER BY service_id, id LIMIT 1",
    "platform": "SELECT 'instagram'",
    "token": "SELECT 'nobody-was-sent-this'",
    "digest": "SELECT '0123456789abcdef'",
    "mail_id": "SELECT 'none'",
    "key": "SELECT split_part(key, ':', 1) FROM orders WHERE user_id = %(user)s AND key LIKE '%%:1'",
    "name": "SELECT 'none'",
}
"""How names in addresses that `filling.IDS` does not know are found, each time anew: a deed may use one up."""
DRIP = {"order_id": "SELECT max(order_id) FROM drip_feeds d JOIN orders o ON o.id = order_id WHERE user_id = %(user)s"}
OWN_IDS: Mapping[str, Mapping[str, str]] = {
    "/staff/users/{user_id}/sessions/{session_id}/revoke": {"user_id": "SELECT %(user)s"},
    "/staff/users/{user_id}/sessions/revoke": {"user_id": "SELECT %(user)s"},
    "/staff/users/{user_id}/keys/{key_id}/revoke": {"user_id": "SELECT %(user)s"},
    "/docs/assets/{name}": {"name": "SELECT 'swagger-ui.css'"},
    "/orders/{order_id:int}/pause": DRIP,
    "/orders/{order_id:int}/resume": DRIP,
    "/staff/deposits/{deposit_id}/approve": {"deposit_id": "SELECT max(id) FROM deposits WHERE state = 'expired'"},
    "/staff/people/{user_id}": {"user_id": "SELECT id FROM users WHERE username = 'viewer'"},
    "/staff/people/{user_id}/role": {"user_id": "SELECT id FROM users WHERE username = 'member1'"},
    "/staff/people/{user_id}/permissions": {"user_id": "SELECT id FROM users WHERE username = 'member1'"},
}
"""Where a name means something else, by the path."""
ASKED = {"GET /staff/import/done": "?provider=1"}
"""What has to stand behind an address."""
NOT_THERE = {
    "GET /reset/{token}",
    "POST /reset/{token}",
    "GET /verify/{token}",
    "POST /verify/{token}",
    "GET /logo.{digest}.png",
    "GET /staff/settings/mails",
    "GET /staff/settings/mails/{mail_id}",
}
"""What finds nothing at its address: links of mails that were never sent, what is shown in development only."""
WRITES = {
    "GET /affiliates",  # a code is made for whoever asks first
    "GET /deposits/return/{reference}",  # the gateway is asked
    "GET /notifications/{notification_id}",  # it is read now
    "GET /sign-in/openid",  # tries are counted
}
"""What writes although it is only opened."""
PICKED = {"provider": "1", "all": "1"}
SENT: Mapping[str, Mapping[str, str]] = {
    "POST /account/security/passkeys/{passkey_id}/rename": {"name": "Phone"},
    "POST /api-keys": {"name": "shop"},
    "POST /orders/{order_id:int}/link": {"link": "https://www.instagram.com/another"},
    "POST /voucher": {"code": "7K2M-9QXR-0FHT-W3ZC"},
    "POST /staff/deposits/{deposit_id}/reject": {"reason": "nothing came"},
    "POST /staff/deposits/money/{receipt_id}/dismiss": {"reason": "sent back"},
    "POST /staff/import/price": PICKED,
    "POST /staff/import/review": PICKED,
    "POST /staff/import/run": PICKED,
    "POST /staff/users/{user_id}/balance": {"amount": "1", "reason": "asked for", "kind": "gift"},
    "POST /staff/users/{user_id}/discount": {"percent": "5"},
    "POST /staff/users/{user_id}/commission": {"percent": "5"},
    "POST /staff/users/{user_id}/rates": {"service_id": "1", "rate": "5"},
    "POST /staff/users/{user_id}/state": {"to": "suspended", "reason": "asked for"},
}
"""What is typed into forms that would be refused as they are shown."""


@dataclass(frozen=True)
class Variant:
    """One of several deeds behind one route."""

    ids: Mapping[str, str] = field(default_factory=dict)
    """What names in its address stand for."""
    finds: Mapping[str, str] = field(default_factory=dict)
    """How others are found, where not as usual."""
    sent: Mapping[str, str] = field(default_factory=dict)
    takes: frozenset[Permission] = frozenset()


DEED_VARIANTS = [
    Variant({"name": deed.name}, DRIP if deed.name in {"pause", "resume"} else {}, takes=frozenset(deed.permissions))
    for deed in DEEDS.values()
]
BULK_VARIANTS = [
    Variant(sent={"deed": deed.name, "id": "999999999", "reason": "asked for"}, takes=frozenset(deed.permissions))
    for deed in BULK_DEEDS
]
VARIANTS: Mapping[str, list[Variant]] = {
    "GET /staff/orders/{order_id}/{name}": DEED_VARIANTS,
    "POST /staff/orders/{order_id}/{name}": DEED_VARIANTS,
    "POST /staff/orders/bulk": BULK_VARIANTS,
    "POST /staff/orders/bulk/run": BULK_VARIANTS,
    "POST /staff/settings/{section}": [Variant({"section": name}) for name in READERS],
    "POST /staff/settings/sign-in/{section}": [
        Variant({"section": "sign_up"}),
        Variant({"section": "openid"}, takes=frozenset({P.STAFF_EDIT})),
        Variant({"section": "staff_door"}, takes=frozenset({P.STAFF_EDIT})),
    ],
}
"""Routes behind which there are several deeds."""


LET_IN, SIGN_IN, REFUSED, NOT_FOUND = "is let in", "is sent to sign in", "is refused", "is told that there is nothing"


@dataclass(frozen=True)
class Case:
    """One route, or one of the deeds behind it."""

    route: PageRoute
    variant: Variant = Variant()

    def __str__(self) -> str:
        told = {**self.variant.ids, **self.variant.sent}
        return f"{self.route.name} {told or ''}".strip()

    @property
    def takes(self) -> frozenset[Permission]:
        """Every permission that is needed."""
        return self.route.takes | TAKES.get(self.route.name, frozenset()) | self.variant.takes

    @property
    def is_owned(self) -> bool:
        """Whether the address names something of one customer's."""
        is_open = self.route.name in OPEN | FROM_THIS_MACHINE or self.route.is_for_staff
        return not is_open and bool(self.route.names) and self.route.name not in SHARED

    @property
    def callers(self) -> list[str]:
        """Who calls it. What is not for staff makes no difference between them."""
        return [one for one in CALLERS if self.route.is_for_staff or one != STAFF_WITHOUT]

    def becomes_of(self, caller: str) -> str:
        """Return what a caller may expect."""
        if self.route.name in OPEN:
            return LET_IN
        if self.route.name in FROM_THIS_MACHINE:
            return REFUSED
        if caller == VISITOR:
            return SIGN_IN
        if caller in {SUSPENDED, BANNED}:
            return REFUSED
        if self.route.is_for_staff:
            is_let_in = caller in {STAFF_WITH, OWNER} or (caller == STAFF_WITHOUT and not self.takes)
            return LET_IN if is_let_in else REFUSED
        return NOT_FOUND if self.is_owned and caller != CUSTOMER else LET_IN

    def held_by(self, caller: str) -> list[frozenset[Permission]]:
        """Return what a member of staff holds who calls: without one that is needed each, or with those alone."""
        everything = frozenset(EVERYTHING)
        if caller == STAFF_WITHOUT:
            return [everything - {one} for one in sorted(self.takes)] or [frozenset()]
        return [self.takes] if caller == STAFF_WITH and self.takes else [everything]

    def may_read_of_the_customer(self, caller: str) -> bool:
        """Whether what the customer calls theirs may stand in the answer."""
        return caller in {CUSTOMER, OWNER} or (caller == STAFF_WITH and self.route.is_for_staff)


def cases(method: str) -> Iterator[Case]:
    """Return all cases of a method: what customers do comes before what staff do to them."""
    for route in sorted(page_routes().values(), key=lambda one: one.is_for_staff):
        if route.method == method:
            for variant in VARIANTS.get(route.name, [Variant()]):
                yield Case(route, variant)
