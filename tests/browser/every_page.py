"""Every page that somebody can look at: photographed by `make screenshots`, and checked by test_every_page.py.

Whoever adds a page adds a line here.
"""

from dataclasses import dataclass

VISITOR, CUSTOMER, ADMIN = "visitor", "customer", "admin"
ROLES = (VISITOR, CUSTOMER, ADMIN)


@dataclass(frozen=True)
class Shown:
    """A page: what its pictures are called, where it is, and for whom."""

    name: str
    path: str
    role: str
    status: int = 200
    first_link: str = ""
    """For pages of one thing: a selector; its first link on `path` is followed. Such pages need a panel with data."""


EVERY_PAGE = (
    Shown("sign-in", "/sign-in", VISITOR),
    Shown("sign-up", "/sign-up", VISITOR),
    Shown("reset", "/reset", VISITOR),
    Shown("home", "/", CUSTOMER),
    Shown("statement", "/statement", CUSTOMER),
    Shown("add-funds", "/add-funds", CUSTOMER),
    Shown("deposits", "/deposits", CUSTOMER),
    Shown("deposit", "/deposits", CUSTOMER, first_link="#deposits [data-row-link]"),
    Shown("deposit-receipt", "/deposits", CUSTOMER, first_link="#deposits a[href$='/receipt']"),
    Shown("deposit-return", "/deposits/return/NOBODYSREFERENCE", VISITOR),
    Shown("affiliates", "/affiliates", CUSTOMER),
    Shown("voucher", "/voucher", CUSTOMER),
    Shown("api-keys", "/api-keys", CUSTOMER),
    Shown("notifications", "/notifications", CUSTOMER),
    Shown("account", "/account", CUSTOMER),
    Shown("account-security", "/account/security", CUSTOMER),
    Shown("account-second-factor", "/account/security/second-factor", CUSTOMER),
    Shown("account-passkeys", "/account/security/passkeys", CUSTOMER),
    Shown("account-other-sites", "/account/security/other-sites", CUSTOMER),
    Shown("account-sign-ins", "/account/security/sign-ins", CUSTOMER),
    Shown("account-notifications", "/account/notifications", CUSTOMER),
    Shown("orders", "/orders", CUSTOMER),
    Shown("orders-by-status", "/orders?status=completed", CUSTOMER),
    Shown("order", "/orders", CUSTOMER, first_link="#orders [data-row-link]"),
    Shown("drip-feed", "/drip-feed", CUSTOMER),
    Shown("subscriptions", "/subscriptions", CUSTOMER),
    Shown("refills", "/refills", CUSTOMER),
    Shown("admin-home", "/", ADMIN),
    Shown("new-order", "/orders/new", CUSTOMER),
    Shown("mass-order", "/orders/mass", CUSTOMER),
    Shown("staff-dashboard", "/staff", ADMIN),
    Shown("staff-orders", "/staff/orders", ADMIN),
    Shown("staff-order", "/staff/orders", ADMIN, first_link="a[data-row-link]"),
    Shown("staff-deposits", "/staff/deposits", ADMIN),
    Shown("staff-deposit", "/staff/deposits", ADMIN, first_link="a[data-row-link]"),
    Shown("staff-deposits-to-approve", "/staff/deposits?status=by_hand", ADMIN),
    Shown("staff-deposits-in-review", "/staff/deposits?status=review", ADMIN),
    Shown("staff-payment-methods", "/staff/payment-methods", ADMIN),
    Shown("staff-payment-method", "/staff/payment-methods", ADMIN, first_link="a[data-row-link]"),
    Shown("staff-payment-method-new", "/staff/payment-methods/new?gateway=sepay", ADMIN),
    Shown("staff-providers", "/staff/providers", ADMIN),
    Shown("staff-provider-new", "/staff/providers/new", ADMIN),
    Shown("staff-provider", "/staff/providers", ADMIN, first_link="a[data-row-link]"),
    Shown("staff-referrals", "/staff/referrals?show=all", ADMIN),
    Shown("staff-referral-terms", "/staff/referrals?show=terms", ADMIN),
    Shown("staff-vouchers", "/staff/vouchers", ADMIN),
    Shown("staff-bonuses", "/staff/bonuses", ADMIN),
    Shown("staff-coupons", "/staff/coupons", ADMIN),
    Shown("staff-books", "/staff/books", ADMIN),
    Shown("staff-transfer", "/staff/books", ADMIN, first_link="a[data-row-link]"),
    Shown("staff-audit", "/staff/audit", ADMIN),
    Shown("staff-people", "/staff/people", ADMIN),
    Shown("staff-person", "/staff/people", ADMIN, first_link="a[data-row-link]"),
    Shown("staff-jobs", "/staff/jobs", ADMIN),
    Shown("staff-search", "/staff/search", ADMIN),
    Shown("staff-settings", "/staff/settings", ADMIN),
    Shown("landing", "/", VISITOR),
    Shown("terms", "/terms", VISITOR),
    Shown("api-docs", "/api-docs", VISITOR),
    Shown("api-docs-try", "/api-docs", CUSTOMER),
    Shown("services", "/services", VISITOR),
    Shown("services-of-platform", "/services?platform=instagram&refill=1", CUSTOMER),
    Shown("favourites", "/favourites", CUSTOMER),
    Shown("compare", "/compare?ids=1,2,3", CUSTOMER),
    Shown("updates", "/updates", CUSTOMER),
    Shown("staff-services", "/staff/services", ADMIN),
    Shown("staff-service", "/staff/services", ADMIN, first_link="a[data-row-link]"),
    Shown("staff-service-new", "/staff/services/new", ADMIN),
    Shown("staff-categories", "/staff/categories", ADMIN),
    Shown("staff-import", "/staff/import", ADMIN),
    Shown("staff-csv", "/staff/services/csv", ADMIN),
    Shown("staff-alerts", "/staff/alerts", ADMIN),
    Shown("staff-alerts-over", "/staff/alerts?show=cleared", ADMIN),
    Shown("staff-users", "/staff/users", ADMIN),
    Shown("staff-user", "/staff/users", ADMIN, first_link="a[data-row-link]"),
    Shown("staff-invitations", "/staff/users/invitations", ADMIN),
    Shown("staff-settings-sign-in", "/staff/settings/sign-in", ADMIN),
    Shown("staff-user-sign-ins", "/staff/users/1/sign-ins", ADMIN),
    Shown("tiers", "/tiers", CUSTOMER),
    Shown("staff-tiers", "/staff/tiers", ADMIN),
    Shown("staff-tier-new", "/staff/tiers/new", ADMIN),
    Shown("staff-tier", "/staff/tiers", ADMIN, first_link="a[data-row-link]"),
    Shown("not-found", "/no-such-page", VISITOR, status=404),
)
