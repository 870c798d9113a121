"""What methods by bank transfer have in common: whose account it is, and the text by which a transfer is recognised."""

import re

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.banks import BANKS, bank_name
from smmpanel.payments.protocol import Account, Intent, Setting, Started
from smmpanel.payments.references import CODE_LENGTH, MEMO_MAX, PREFIX

ACCOUNT_NUMBER = re.compile(r"[0-9A-Z]{4,19}")
MARKER = re.compile(r"[A-Z0-9]{0,12}")
NAME_MAX = 60
WRONG_ACCOUNT = marked("must be 4 to 19 digits or capital letters")
WRONG_HOLDER = marked("must be 1 to 60 characters")
WRONG_BANK = marked("must be a bank of the list, or a name")
WRONG_PREFIX = marked("must be 2 to 10 capital letters and digits, a letter first")
WRONG_MARKER = marked("must be up to 12 capital letters and digits")
INSTRUCTIONS_MAX = 2000
LONG_INSTRUCTIONS = marked("must be up to 2,000 characters")
LONG_MEMO = marked("makes the text of the transfer longer than 25 characters")

BANK = Setting(
    "bank", marked("Bank"), "bank", required=False, hint=marked("Of Vietnamese banks: customers then get a QR code.")
)
BANK_NAME = Setting(
    "bank_name",
    marked("Name of the bank"),
    required=False,
    hint=marked("As customers see it. Empty: the name in the list."),
)
ACCOUNT = Setting("account_number", marked("Account number"))
HOLDER = Setting("account_name", marked("Account holder"))
MEMO_PREFIX = Setting(
    "memo_prefix",
    marked("First word of the transfer text"),
    hint=marked("Customers write it with a code, such as HOMEMMO ABC123."),
)
MEMO_MARKER = Setting(
    "memo_marker",
    marked("Word that the bank demands in front"),
    required=False,
    hint=marked("VietinBank wants SEVQR, virtual accounts want TKP and their code."),
)
INSTRUCTIONS = Setting("instructions", marked("What else customers should know"), "lines", required=False)
BANK_SETTINGS = (BANK, BANK_NAME, ACCOUNT, HOLDER, MEMO_PREFIX, MEMO_MARKER, INSTRUCTIONS)


def check_bank_details(account: Account) -> None:
    """Raise `InvalidInputError` unless customers can transfer to this account."""
    bank = account.option("bank")
    prefix, marker = account.option("memo_prefix"), account.option("memo_marker")
    length = len(prefix) + CODE_LENGTH + 1 + (len(marker) + 1 if marker else 0)
    wrong = {
        "bank": WRONG_BANK if bank and bank not in BANKS else "",
        "bank_name": WRONG_BANK
        if not (bank or account.option("bank_name")) or len(_bank_of(account)) > NAME_MAX
        else "",
        "account_number": "" if ACCOUNT_NUMBER.fullmatch(account.option("account_number")) else WRONG_ACCOUNT,
        "account_name": "" if 0 < len(account.option("account_name")) <= NAME_MAX else WRONG_HOLDER,
        "memo_prefix": "" if PREFIX.fullmatch(prefix) else WRONG_PREFIX,
        "memo_marker": WRONG_MARKER if not MARKER.fullmatch(marker) else LONG_MEMO if length > MEMO_MAX else "",
        "instructions": LONG_INSTRUCTIONS if len(account.option("instructions")) > INSTRUCTIONS_MAX else "",
    }
    for field, reason in wrong.items():
        if reason:
            raise InvalidInputError(field=field, reason=reason)


def transfer_to(account: Account, intent: Intent) -> Started:
    """Say where to transfer to and what to write."""
    return Started(
        {
            "kind": "transfer",
            "bank": account.option("bank") if account.currency == "VND" else "",
            "bank_name": _bank_of(account),
            "account_number": account.option("account_number"),
            "account_name": account.option("account_name"),
            "content": intent.memo or "",
            "instructions": account.option("instructions"),
        }
    )


def _bank_of(account: Account) -> str:
    chosen = account.option("bank")
    return account.option("bank_name") or (bank_name(chosen) if chosen in BANKS else "")
