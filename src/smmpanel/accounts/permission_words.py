"""What permissions are called for people, and how they are grouped where they are given."""

from collections.abc import Mapping, Sequence

from smmpanel.accounts.access import Permission
from smmpanel.kernel.i18n import marked

P = Permission
PERMISSION_WORDS: Mapping[str, str] = {
    P.ORDERS_VIEW: marked("See orders"),
    P.ORDERS_EDIT: marked("Change orders"),
    P.ORDERS_RESEND: marked("Send orders again"),
    P.ORDERS_SETTLE: marked("Settle unconfirmed orders"),
    P.ORDERS_REFUND: marked("Pay orders back"),
    P.USERS_VIEW: marked("See users"),
    P.USERS_EDIT: marked("Change users"),
    P.USERS_BALANCE: marked("Change balances"),
    P.USERS_SUSPEND: marked("Suspend and ban users"),
    P.SERVICES_VIEW: marked("See services"),
    P.SERVICES_EDIT: marked("Change services"),
    P.PROVIDERS_VIEW: marked("See providers"),
    P.PROVIDERS_EDIT: marked("Change providers"),
    P.DEPOSITS_VIEW: marked("See deposits"),
    P.DEPOSITS_SETTLE: marked("Approve, reject and assign deposits"),
    P.DEPOSITS_REFUND: marked("Pay deposits back"),
    P.DEPOSITS_REFUND_OVER: marked("Pay back what was spent already"),
    P.GATEWAYS_VIEW: marked("See payment methods"),
    P.GATEWAYS_EDIT: marked("Change payment methods"),
    P.REFERRALS_VIEW: marked("See referrals and payouts"),
    P.REFERRALS_EDIT: marked("Clear and refuse referrals, change their terms"),
    P.REFERRALS_PAY: marked("Approve and refuse payouts"),
    P.VOUCHERS_VIEW: marked("See vouchers and bonuses"),
    P.VOUCHERS_EDIT: marked("Make vouchers, change bonuses"),
    P.LEDGER_VIEW: marked("See the books"),
    P.SETTINGS_VIEW: marked("See settings and jobs"),
    P.SETTINGS_EDIT: marked("Change settings, run jobs again"),
    P.STAFF_VIEW: marked("See staff"),
    P.STAFF_EDIT: marked("Change staff and what they may do"),
    P.AUDIT_VIEW: marked("See the audit log"),
}
PERMISSION_GROUPS: Sequence[tuple[str, Sequence[Permission]]] = (
    (marked("Orders"), (P.ORDERS_VIEW, P.ORDERS_EDIT, P.ORDERS_RESEND, P.ORDERS_SETTLE, P.ORDERS_REFUND)),
    (marked("Users"), (P.USERS_VIEW, P.USERS_EDIT, P.USERS_BALANCE, P.USERS_SUSPEND)),
    (marked("Catalogue"), (P.SERVICES_VIEW, P.SERVICES_EDIT, P.PROVIDERS_VIEW, P.PROVIDERS_EDIT)),
    (
        marked("Payments"),
        (
            P.DEPOSITS_VIEW,
            P.DEPOSITS_SETTLE,
            P.DEPOSITS_REFUND,
            P.DEPOSITS_REFUND_OVER,
            P.GATEWAYS_VIEW,
            P.GATEWAYS_EDIT,
        ),
    ),
    (marked("Vouchers and bonuses"), (P.VOUCHERS_VIEW, P.VOUCHERS_EDIT)),
    (marked("Affiliates"), (P.REFERRALS_VIEW, P.REFERRALS_EDIT, P.REFERRALS_PAY)),
    (
        marked("Panel"),
        (P.LEDGER_VIEW, P.SETTINGS_VIEW, P.SETTINGS_EDIT, P.STAFF_VIEW, P.STAFF_EDIT, P.AUDIT_VIEW),
    ),
)
