"""A process that pays a deposit back and dies: `python dying_refunder.py claimed|sent|called DEPOSIT STAFF BOOK`.

`claimed`: when the money has left the wallet. `sent`: when it is written down that the gateway is asked, before it is. `called`:
when the gateway has paid back, before that is written down. BOOK is a file in which the gateway notes what it paid back.
"""

import asyncio
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

from payments.telling_gateway import RefundingGateway
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings
from smmpanel.payments.protocol import Refund, Refunded
from smmpanel.payments.refunding import WantedRefund, ask_refund
from smmpanel.payments.sending_refunds import send_refunds

AMOUNT = 40_000


def bookkeeping(book: Path, dies: str = "") -> type[RefundingGateway]:
    """Return a gateway that notes what it pays back, and may end the process before or after."""

    class Bookkeeper(RefundingGateway):
        async def refund(self, wanted: Refund) -> Refunded:
            """Pay back."""
            if dies == "sent":
                os.kill(os.getpid(), signal.SIGKILL)
            with book.open("a") as lines:
                lines.write(f"{wanted.key} {wanted.amount}\n")
            if dies == "called":
                os.kill(os.getpid(), signal.SIGKILL)
            return Refunded("re_1", "done")

    return Bookkeeper


def clerk(user_id: int) -> Actor:
    """Return somebody of the staff who may pay back."""
    return Actor("user", user_id, "staff", Role.STAFF, frozenset({Permission.DEPOSITS_REFUND}))


async def pay_back(panel: Panel, moment: str, deposit_id: int, staff_id: int, book: Path) -> None:
    """Pay back and die."""
    panel.payment_gateways.put("refunding", bookkeeping(book, moment))
    async with panel.db.transaction() as session:
        wanted = WantedRefund(deposit_id, "once", "asked for", Decimal(AMOUNT))
        await ask_refund(session, panel, wanted, actor=clerk(staff_id))
    if moment == "claimed":
        os.kill(os.getpid(), signal.SIGKILL)
    await send_refunds.function(panel)


async def main(moment: str, deposit_id: str, staff_id: str, book: str) -> None:
    """Open the panel and do it."""
    settings = Settings()
    assert settings.database_url is not None
    async with open_panel(settings, settings.database_url.get_secret_value()) as panel:
        await pay_back(panel, moment, int(deposit_id), int(staff_id), Path(book))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
