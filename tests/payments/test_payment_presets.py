"""What presets bring, and what the environment makes of it; and what is forgotten after a while."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select

import smmpanel.entrypoints.preset_parts  # noqa: F401 - what the sections of presets mean
from payments.conftest import Till
from smmpanel.accounts.access import Actor
from smmpanel.catalog.fx import set_rate
from smmpanel.kernel.panel import Panel
from smmpanel.payments.forgetting import forget_old_messages
from smmpanel.payments.methods import gateway_class, offered_methods, secrets_of
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.presets import connect_preset_methods, memo_prefix
from smmpanel.providers.presets import load_preset, preset_names, take_preset_parts

ENVIRONMENT = {
    "SEPAY_SECRET": "homemmo_spec_secret",
    "SEPAY_ACCOUNT_NUMBER": "123456789",
    "SEPAY_ACCOUNT_NAME": "NGUYEN VAN A",
    "SEPAY_AUTH_MODE": "spec_signature",
}


@pytest.mark.parametrize("name", preset_names())
async def test_what_a_preset_brings_is_not_offered(panel: Panel, name: str) -> None:
    preset = load_preset(name)
    async with panel.db.transaction() as session:
        await take_preset_parts(session, panel, preset)
        made = (await session.scalars(select(PaymentMethod))).all()
        assert made
        # In the panel's currency, where the gateway takes it.
        foreign = [one for one in made if one.currency != preset.currency]
        assert all(
            preset.currency not in (gateway_class(panel, one.gateway).currencies or {preset.currency})
            for one in foreign
        )
        with_memos = [one for one in made if gateway_class(panel, one.gateway).uses_memo]
        assert {one.options["memo_prefix"] for one in with_memos} == {await memo_prefix(session)}
        assert await connect_preset_methods(session, panel, preset.parts["payments"], {}) == []
        assert await offered_methods(session) == []


async def test_the_environment_completes_and_offers_it(till: Till) -> None:
    panel, preset = till.panel, load_preset("homemmo")
    async with panel.db.transaction() as session:
        await session.delete(await session.get_one(PaymentMethod, till.methods["sepay"]))
        await take_preset_parts(session, panel, preset)
        for _ in range(2):
            assert await connect_preset_methods(session, panel, preset.parts["payments"], ENVIRONMENT) == [
                "Chuyển khoản VietQR"
            ]
        [offered] = await offered_methods(session)
    till.methods["sepay"] = offered.id
    deposit = await till.open()
    assert (deposit.shown["bank_name"], deposit.memo[:8]) == ("Ngân hàng ACB", "HOMEMMO ")


KEYS = {
    "PAYSTACK_SECRET_KEY": "sk_test_paystack_secret",
    "FLUTTERWAVE_SECRET_KEY": "FLWSECK_TEST-panel-X",
    "FLUTTERWAVE_SECRET_HASH": "flw_secret_hash",
    "FLUTTERWAVE_PROOF": "flutterwave-signature",
    "STRIPE_SECRET_KEY": "sk_test_key_of_the_panel",
}


async def test_keys_in_the_environment_are_enough_for_gateways(panel: Panel) -> None:
    panel, preset = replace(panel, currency="NGN"), load_preset("tonicstools")
    async with panel.db.transaction() as session:
        await take_preset_parts(session, panel, preset)
        # Stripe's webhook has no secret yet, so nothing that it tells would be believed.
        assert await connect_preset_methods(session, panel, preset.parts["payments"], KEYS) == [
            "Paystack",
            "Flutterwave",
        ]
        whole = KEYS | {"STRIPE_WEBHOOK_SECRET": "whsec_test_secret"}
        await connect_preset_methods(session, panel, preset.parts["payments"], whole)
        offered = {one.gateway: one for one in await offered_methods(session)}
        assert set(offered) == {"paystack", "flutterwave", "stripe"}
        assert offered["flutterwave"].options == {"proof": "flutterwave-signature"}
        assert secrets_of(panel.vault, offered["stripe"]) == {
            "secret_key": ("sk_test_key_of_the_panel",),
            "webhook_secret": ("whsec_test_secret",),
        }


async def test_indonesian_gateways_are_offered_in_the_environment_of_their_keys(panel: Panel) -> None:
    panel, preset = replace(panel, currency="IDR"), load_preset("webbooster")
    keys = {
        "MIDTRANS_SERVER_KEY": "SB-Mid-server-1",
        "MIDTRANS_ENVIRONMENT": "sandbox",
        "XENDIT_SECRET_KEY": "xnd_development_1",
    }
    async with panel.db.transaction() as session:
        await take_preset_parts(session, panel, preset)
        # Without its token nothing that Xendit tells would be believed.
        [midtrans] = await connect_preset_methods(session, panel, preset.parts["payments"], keys)
        assert "Midtrans" in midtrans
        whole = keys | {"XENDIT_CALLBACK_TOKEN": "token", "XENDIT_SURFACE": "invoices"}
        await connect_preset_methods(session, panel, preset.parts["payments"], whole)
        offered = {one.gateway: one.options for one in await offered_methods(session)}
        assert offered == {"midtrans": {"environment": "sandbox"}, "xendit": {"surface": "invoices"}}


async def test_bodies_of_old_messages_are_forgotten(till: Till) -> None:
    await till.told((await till.open()).memo)
    await till.told("thanks")
    await forget_old_messages.function(till.at(days=399).panel)
    assert all(event.body for event in await till.events())
    await forget_old_messages.function(till.at(days=401).panel)
    settled, review = await till.events()
    assert (settled.body, settled.headers) == (b"", {})
    assert review.body


CRYPTO_KEYS = {
    "CRYPTOMUS_MERCHANT": "8b03432e-385b-4670-8d06-064591096795",
    "CRYPTOMUS_SECRET": "cryptomus_test_payment_key",
    "BINANCE_PAY_API_KEY": "binance_test_key",
    "BINANCE_PAY_SECRET": "binance_test_secret",
    "ESEWA_PRODUCT_CODE": "NP-ES-SHOP",
    "ESEWA_SECRET": "8gBm/:&EnhH.1/q",
}


async def test_gateways_in_another_currency_wait_for_a_rate(panel: Panel) -> None:
    panel, preset = replace(panel, currency="USD"), load_preset("automation")
    async with panel.db.transaction() as session:
        await take_preset_parts(session, panel, preset)
        connected = await connect_preset_methods(session, panel, preset.parts["payments"], CRYPTO_KEYS)
        assert connected == ["Crypto (Cryptomus)"]
        await set_rate(session, "USDT", "USD", Decimal(1), currency="USD", actor=Actor.cli(), now=panel.clock())
        await set_rate(session, "USD", "NPR", Decimal(140), currency="USD", actor=Actor.cli(), now=panel.clock())
        await connect_preset_methods(session, panel, preset.parts["payments"], CRYPTO_KEYS)
        offered = {one.gateway for one in await offered_methods(session)}
        assert offered == {"cryptomus", "binance_pay", "esewa"}
