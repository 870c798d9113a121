"""Any gateway over HTTP among the payment methods: the one that nobody has described yet, and what staff are told."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

import smmpanel.entrypoints.preset_parts  # noqa: F401 - what the sections of presets mean
from payments.conftest import Till
from payments.gateways.describing import SECRET, Raw, described, gateway
from payments.gateways.fake_vendor import fake_vendor
from smmpanel.accounts.access import Actor
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.gateways.generic.gateway import HttpGateway
from smmpanel.payments.methods import MethodTerms, add_method, edit_method, enable_method, offered_methods
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.presets import connect_preset_methods
from smmpanel.payments.protocol import Message
from smmpanel.payments.staff.method_forms import sign_of_tests
from smmpanel.providers.presets import load_preset, take_preset_parts
from staff_browser import sign_in

PLAIN = {
    "fee_percent": "0", "fee_fixed": "0", "expires_minutes": "60", "position": "0", "underpaid": "review",
    "overpaid": "review", "repeated": "review", "late_days": "7",
}  # fmt: skip


async def tik_kart(till: Till) -> PaymentMethod:
    preset = load_preset("automation")
    async with till.panel.db.transaction() as session:
        await take_preset_parts(session, till.panel, preset)
        await connect_preset_methods(session, till.panel, preset.parts["payments"], {"HTTP_SECRET": "s", "SECRET": "s"})
        return (await session.scalars(select(PaymentMethod).where(PaymentMethod.gateway == "http"))).one()


async def test_tik_kart_waits_for_its_details(till: Till) -> None:
    method = await tik_kart(till)
    assert (method.name, method.enabled) == ("Tik Kart", False)
    async with till.panel.db.transaction() as session:
        with pytest.raises(InvalidInputError) as refused:
            await enable_method(session, till.panel, method.id, actor=Actor.cli())
    assert refused.value.fields["field"] == "configuration"
    for asked_for in ("base URL", "API document", "example of a request", "message", "secret"):
        assert asked_for in str(refused.value.fields["reason"])
    # Taking the word out is not enough: nothing in it is a guess at how the gateway works, so all of it is missing.
    bare = method.options["configuration"].replace("unknown = true", "")
    whole = json.dumps(described(name="tik_kart"))
    async with till.panel.db.transaction() as session:
        for description, secrets, wanting in (
            (bare, {"secret": SECRET}, ("configuration", "create")),
            (json.dumps({**described(name="tik_kart"), "unknown": True}), {}, ("configuration", None)),
        ):
            await edit_method(session, till.panel, method.id, tik(description), actor=Actor.cli(), secrets=secrets)
            with pytest.raises(InvalidInputError) as refused:
                await enable_method(session, till.panel, method.id, actor=Actor.cli())
            assert (refused.value.fields["field"], refused.value.facts.get("key")) == wanting
        await edit_method(session, till.panel, method.id, tik(whole), actor=Actor.cli(), secrets={})
        await enable_method(session, till.panel, method.id, actor=Actor.cli())
        assert method.id in {one.id for one in await offered_methods(session)}


async def test_tik_kart_needs_its_secret_too(till: Till) -> None:
    method = await tik_kart(till)
    async with till.panel.db.transaction() as session:
        await edit_method(session, till.panel, method.id, tik(json.dumps(described())), actor=Actor.cli(), secrets={})
        with pytest.raises(InvalidInputError) as refused:
            await enable_method(session, till.panel, method.id, actor=Actor.cli())
    assert refused.value.fields["field"] == "secret"


def tik(description: str) -> MethodTerms:
    """Return what staff make of the method."""
    return MethodTerms("Tik Kart", "VND", Decimal(1), options={"configuration": description})


async def test_staff_are_told_what_to_ask_for_in_their_language(till: Till) -> None:
    method = await tik_kart(till)
    admin = await sign_in(till.panel)
    where = f"/staff/payment-methods/{method.id}"
    for language, words in (("en", "Ask its owner"), ("vi", "Hãy xin chủ cổng"), ("id", "Mintalah kepada pemiliknya")):
        await admin.get(where, params={"lang": language})
        refused = await admin.post(f"{where}/switch", {"to": "on"})
        assert words in refused.text, language
        assert 'aria-invalid="true"' in refused.text
    await admin.client.aclose()


async def test_a_description_is_typed_and_its_faults_are_named(till: Till) -> None:
    admin = await sign_in(till.panel)
    await admin.get("/staff/payment-methods")
    longer = json.dumps(described(), indent=20)
    assert len(longer) > 2000, "longer than settings usually are"
    form = {**PLAIN, "gateway": "http", "name": "Any", "currency": "VND", "minimum": "10000", "configuration": longer}
    made = await admin.post("/staff/payment-methods/new", {**form, "secret": "s3cr3t-words"})
    where = made.headers["location"]
    shown = (await admin.get(where)).text
    assert "s3cr3t" not in shown
    assert "&#34;redirect_url_path&#34;" in shown
    assert (await admin.post(f"{where}/switch", {"to": "on"})).status_code == 303
    broken = longer.replace('"hmac-sha256"', '"crc32"')
    refused = await admin.post(where, {**form, "configuration": broken})
    assert refused.status_code == 422
    assert "notify.sign.algo" in refused.text
    assert "hmac-sha512" in refused.text, "what could stand there is said"
    assert "crc32" in refused.text, "what was typed is kept"
    await admin.client.aclose()


def test_a_description_that_calls_this_machine_is_for_tests() -> None:
    here = {"configuration": json.dumps(described()).replace("https://pay.test", "http://127.0.0.1:8910/x")}
    assert sign_of_tests(HttpGateway, here) == "http://127.0.0.1:8910/x/v1/orders"
    assert sign_of_tests(HttpGateway, {"configuration": json.dumps(described())}) == ""


def test_the_description_in_the_manual_is_right() -> None:
    manual = (Path(__file__).parents[3] / "docs/howto/add-a-gateway.md").read_text("utf-8")
    _, _, after = manual.partition("## Without code")
    example = after.partition("```toml\n")[2].partition("```")[0]
    own = gateway(example, api_key="k")
    own.check()
    assert own.can_be_asked
    assert own.can_refund
    order = {
        "order_id": "A",
        "order_no": 7,
        "state": "PAID",
        "paid_amount": 2550,
        "currency": "USD",
        "returned_amount": 0,
    }
    [notice] = own.read(Message({}, json.dumps({"env": "live", "order": order}).encode()), "signature").notices
    assert (notice.external_id, notice.amount, notice.unproved) == ("any_pay:7", Decimal("25.50"), False)


async def test_a_deposit_ends_when_its_gateway_says_so(till: Till) -> None:
    async with fake_vendor() as vendor:
        made = {**described()["create"], "url": f"{vendor.url}/v1/orders", "expires_path": "$.data.till"}
        till.methods["http"] = await described_method(till, described(create=made))
        for minutes, lasts in ((10, 10), (600, 60), (-5, 60)):
            ends = till.panel.clock() + timedelta(minutes=minutes)
            vendor.answering((200, {"data": {"url": "https://pay.test/p/1", "till": int(ends.timestamp())}}))
            deposit = await till.open(gateway="http")
            assert abs(deposit.expires_at - deposit.created_at - timedelta(minutes=lasts)) < timedelta(seconds=5)


async def described_method(till: Till, raw: Raw) -> int:
    """Have a described gateway offered."""
    terms = MethodTerms("Any", "VND", Decimal(1), expires_minutes=60, options={"configuration": json.dumps(raw)})
    async with till.panel.db.transaction() as session:
        made = await add_method(session, till.panel, "http", terms, actor=Actor.cli(), secrets={"secret": SECRET})
        await enable_method(session, till.panel, made.id, actor=Actor.cli())
        return made.id


async def test_a_description_can_be_too_long(till: Till) -> None:
    terms = MethodTerms(name="Any", currency="VND", minimum=Decimal(1), options={"configuration": "#" * 20_001})
    async with till.panel.db.transaction() as session:
        with pytest.raises(InvalidInputError) as refused:
            await add_method(session, till.panel, "http", terms, actor=Actor.cli(), secrets={})
    assert refused.value.fields["field"] == "configuration"
