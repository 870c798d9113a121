"""A process that takes a payment message in and dies: `python dying_till.py stored|settling HEX-OF-BODY SIGNATURE STAMP`.

`stored`: after the message is committed, before it is answered. `settling`: in the middle of the transaction that credits it.
"""

import asyncio
import os
import signal
import sys
from typing import Any

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


async def take_in(panel: Panel, moment: str, message: Message) -> None:
    sepay = panel.payment_gateways.get("sepay")
    mortal = {"stored": {"reply": Death()}, "settling": {}}[moment]
    panel.payment_gateways.put("sepay", type("Mortal", (sepay,), mortal))
    await receive(panel, "sepay", message, ip=None)
    # Read inside the transaction that settles, once the receipt is made.
    panel.payment_gateways.put("sepay", type("Mortal", (sepay,), {"accounts": Death()}))
    await settle_waiting.function(panel)


async def main(moment: str, body: str, signature: str, stamp: str) -> None:
    settings = Settings()
    assert settings.database_url is not None
    headers = {"x-sepay-signature": signature.encode(), "x-sepay-timestamp": stamp.encode()}
    async with open_panel(settings, settings.database_url.get_secret_value()) as panel:
        await take_in(panel, moment, Message(headers, bytes.fromhex(body)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
