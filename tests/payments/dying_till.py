"""A process that takes a payment message in and dies: `python dying_till.py MOMENT HEX-OF-BODY SIGNATURE STAMP`.

`verified`: before the message is stored. `stored`: after it is committed, before it is answered. `settling`: in the transaction
that credits it, when the money has been moved. `settled`: after that is committed, before anybody is told.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import event

from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.protocol import Message
from smmpanel.payments.receiving import receive


class Death:
    """Ends the process when it is looked at, as a class attribute or as that of an object."""

    def __get__(self, _instance: object, _owner: type) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def die_before(panel: Panel, statement: str) -> None:
    """Have the process end when it is about to send a statement that begins so."""

    def look(_connection: Any, _cursor: Any, sent: str, *_: Any) -> None:
        if sent.startswith(statement):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", look)


async def take_in(panel: Panel, moment: str, message: Message) -> None:
    sepay = panel.payment_gateways.get("sepay")
    if moment == "verified":
        die_before(panel, "INSERT INTO gateway_events")
    if moment == "stored":
        panel.payment_gateways.put("sepay", type("Mortal", (sepay,), {"reply": Death()}))
    await receive(panel, "sepay", message, ip=None)
    if moment == "settling":
        die_before(panel, "INSERT INTO facts")
    await settle_waiting.function(panel)
    os.kill(os.getpid(), signal.SIGKILL)


async def main(moment: str, body: str, signature: str, stamp: str) -> None:
    settings = Settings()
    assert settings.database_url is not None
    headers = {"x-sepay-signature": signature.encode(), "x-sepay-timestamp": stamp.encode()}
    async with open_panel(settings, settings.database_url.get_secret_value()) as panel:
        await take_in(panel, moment, Message(headers, bytes.fromhex(body)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
