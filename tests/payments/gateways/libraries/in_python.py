"""Gateways' own libraries, in a process of their own: some wait while they call, and some bring a package called `tests`.

One line of JSON comes for each call, and one goes back. The folder that they are installed in is this process's only one.
"""
# mypy: disable-error-code="import-not-found"

import json
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TextIO

Calls = Mapping[str, Callable[..., Any]]


def midtrans(url: str, key: str) -> Calls:
    import midtransclient

    snap = midtransclient.Snap(server_key=key)
    snap.api_config.CORE_SANDBOX_BASE_URL = url
    snap.api_config.SNAP_SANDBOX_BASE_URL = f"{url}/snap/v1"
    orders = snap.transactions
    return {
        "create": snap.create_transaction,
        "status": orders.status,
        "cancel": orders.cancel,
        "refund": orders.refund,
        "read": orders.notification,
    }


def binance_pay(url: str, key: str, secret: str) -> Calls:
    from binance.pay.merchant import Merchant

    merchant = Merchant(key, secret, base_url=url)
    return {
        "send": merchant.send_signed_request,
        "order": merchant.get_order,
        "close": merchant.cancel_order,
        "refund": merchant.refund_order,
        "refunded": merchant.get_refund_order,
    }


def cryptomus(url: str, merchant: str, key: str) -> Calls:
    from pyCryptomusAPI import pyCryptomusAPI

    client = pyCryptomusAPI(merchant, payment_api_key=key, api_url=url)
    return {
        "create": client.create_invoice,
        "ask": client.payment_information,
        "refund": client.refund,
        "read": client.process_payment_webhook,
    }


def sepay(merchant: str, key: str) -> Calls:
    from sepay_pg.client import SePayClient

    client = SePayClient(merchant, key, env="sandbox")
    return {"sign": client.sign_fields, "form": client.generate_checkout_data}


def coinbase() -> Calls:
    from coinbase_commerce.webhook import Webhook

    return {"read": lambda *message: dict(Webhook.construct_event(*message))}


def vietqr() -> Calls:
    from vietnam_qr_pay import QRPay

    def made(bank: str, account: str, amount: str | None, memo: str | None) -> str:
        return str(QRPay.init_viet_qr(bank, account, amount, memo).build())

    def read(payload: str) -> Any:
        code = QRPay(payload)
        who = code.consumer
        return [code.is_valid, who.bank_bin, who.bank_number, code.amount, code.additional_data.purpose]

    return {"make": lambda rows: [made(*row) for row in rows], "read": lambda rows: [read(row) for row in rows]}


LIBRARIES: Mapping[str, Callable[..., Calls]] = {
    made.__name__: made for made in (midtrans, binance_pay, cryptomus, sepay, coinbase, vietqr)
}


def plain(thing: Any) -> Any:
    """Return what JSON can say of a library's own objects."""
    return str(thing) if isinstance(thing, Decimal) else vars(thing)


def answered(line: str) -> dict[str, Any]:
    wanted = json.loads(line)
    calls = LIBRARIES[wanted["library"]](**wanted["setup"])
    try:
        return {"result": calls[wanted["call"]](*wanted["given"], **wanted["named"])}
    except Exception as wrong:  # noqa: BLE001 - whatever a library raises is its answer
        return {"wrong": type(wrong).__name__, "because": str(wrong)}


def serve(answers: TextIO) -> None:
    # What libraries print is none of their answers.
    sys.stdout = sys.stderr
    for line in sys.stdin:
        print(json.dumps(answered(line), default=plain), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.stdout)
