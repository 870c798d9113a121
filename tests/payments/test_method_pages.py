"""Setting payment methods up: a form for every gateway, secrets written only, and what is for tests says so."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from payments.conftest import Till
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.gateways.flutterwave import Flutterwave
from smmpanel.payments.gateways.manual import ManualTransfer
from smmpanel.payments.gateways.paystack import Paystack
from smmpanel.payments.gateways.stripe import Stripe
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import Gateway, Setting
from smmpanel.payments.staff.method_forms import new_typed, sign_of_tests, terms_in
from smmpanel.web.formats import Formats
from staff_browser import sign_in


async def test_every_gateway_has_a_form_in_every_language(till: Till) -> None:
    admin = await sign_in(till.panel)
    for gateway in till.panel.payment_gateways.names():
        kind = till.panel.payment_gateways.get(gateway)
        for language in ("en", "vi", "id"):
            shown = await admin.get("/staff/payment-methods/new", params={"gateway": gateway, "lang": language})
            assert shown.status_code == 200, gateway
        for setting in kind.settings:
            assert f'name="{setting.name}"' in shown.text, (gateway, setting.name)
            if setting.kind == "secret":
                field = shown.text[shown.text.index(f'name="{setting.name}"') :]
                assert field.startswith(f'name="{setting.name}" type="password" value=""'), (gateway, setting.name)
    await admin.client.aclose()


async def test_a_method_for_tests_says_so(till: Till) -> None:
    admin = await sign_in(till.panel)
    await admin.get("/staff/payment-methods")
    form = {
        "gateway": "esewa", "name": "eSewa", "currency": "NPR", "minimum": "10", "fee_percent": "0", "fee_fixed": "0",
        "expires_minutes": "15", "position": "0", "underpaid": "review", "overpaid": "review", "repeated": "review",
        "late_days": "7", "product_code": "EPAYTEST", "secret": "a-secret-4321", "base_url": "http://127.0.0.1:9/esewa",
        "status_url": "http://127.0.0.1:9/esewa",
    }  # fmt: skip
    made = await admin.post("/staff/payment-methods/new", form)
    where = made.headers["location"]
    shown = (await admin.get(where)).text
    assert "For tests: no real money comes in." in shown
    assert "a-secret" not in shown
    assert "4321" in shown
    assert shown.count('name="keep_old_secrets"') == 1
    assert "For tests" in (await admin.get("/staff/payment-methods")).text
    # Its product says so too, and cannot be paid for with real money.
    await admin.post(where, {**form, "secret": "", "base_url": "", "status_url": ""})
    assert "For tests: no real money" in (await admin.get(where)).text
    await admin.post(where, {**form, "secret": "", "product_code": "SHOP-1", "base_url": "", "status_url": ""})
    assert "For tests: no real money" not in (await admin.get(where)).text
    await admin.client.aclose()


def test_what_shows_that_a_method_is_for_tests() -> None:
    address = Setting("base_url", "Address", default="https://api.example")
    own = Setting("url", "Address")
    environment = Setting("environment", "Environment", "choice", choices=(("production", "P"), ("sandbox", "S")))
    kind = SimpleNamespace(settings=(address, own, environment))
    for options, shows in (
        ({}, ""),
        ({"base_url": "https://api.example", "url": "https://shop.example", "environment": "production"}, ""),
        ({"base_url": "https://test.example"}, "https://test.example"),
        ({"url": "http://localhost:8910/x"}, "http://localhost:8910/x"),
        ({"environment": "sandbox"}, "sandbox"),
    ):
        assert sign_of_tests(kind, options) == shows  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "key", "shows"),
    [
        (Paystack, "sk_test_1", "sk_test_"),
        (Paystack, "sk_live_1", ""),
        (Stripe, "rk_test_1", "rk_test_"),
        (Stripe, "rk_live_1", ""),
        (Flutterwave, "FLWSECK_TEST-1", "FLWSECK_TEST-"),
        (Flutterwave, "FLWSECK-1", ""),
    ],
)
def test_keys_show_that_a_method_is_for_tests(kind: type[Gateway], key: str, shows: str) -> None:
    assert sign_of_tests(kind, {}, {"secret_key": (key, "sk_test_older")}) == shows
    assert sign_of_tests(kind, {}, {}) == ""


def test_amounts_among_the_settings_are_read_as_numbers() -> None:
    class WithLimit(ManualTransfer):
        settings = (Setting("ceiling", "Ceiling", "amount", required=False),)

    form = {**new_typed(WithLimit, name="x", currency="USD", prefix="AB"), "minimum": "1"}
    vietnamese = Formats("vi", "UTC", "VND", datetime(2026, 5, 1, tzinfo=UTC))
    assert terms_in(WithLimit, {**form, "ceiling": "1 500,50"}, vietnamese).options["ceiling"] == "1500.50"
    assert terms_in(WithLimit, {**form, "ceiling": ""}, vietnamese).options["ceiling"] == ""
    assert terms_in(WithLimit, form, vietnamese).minimum == Decimal(1)
    dong = terms_in(WithLimit, {**form, "currency": "VND", "minimum": "50.000", "maximum": "2,000,000"}, vietnamese)
    assert (dong.minimum, dong.maximum) == (Decimal(50_000), Decimal(2_000_000))
    for wrong in ("many", "1,5,0.x", "--1"):
        with pytest.raises(InvalidInputError) as refused:
            terms_in(WithLimit, {**form, "ceiling": wrong}, vietnamese)
        assert refused.value.fields["field"] == "ceiling"


@pytest.mark.parametrize(("kind", "underpaid"), [(ManualTransfer, "credit"), (Paystack, "review")])
def test_less_than_a_page_asked_for_is_looked_at_and_less_by_transfer_is_credited(
    kind: type[Gateway], underpaid: str
) -> None:
    assert new_typed(kind, name="", currency="VND", prefix="HMM")["underpaid"] == underpaid
    assert Policy.usual(by_transfer=kind.uses_memo).checked()["underpaid"] == underpaid
