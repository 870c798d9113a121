"""Three odd panels described by data alone."""

from decimal import Decimal

import pytest

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.providers.adapters.mapped import Mapped
from smmpanel.providers.protocol import (
    ProviderFailure,
    RefusedAccount,
    RefusedOrder,
    Rejected,
    TryLater,
    Unclear,
    UpstreamBalance,
    UpstreamOrder,
    UpstreamRefillStatus,
    UpstreamReport,
    UpstreamStatus,
)

IRVANKEDE = {
    "key_parts": ["api_id", "api_key"],
    "auth": {"api_id": "{api_id}", "api_key": "{api_key}"},
    "error_paths": ["msg", "data.msg"],
    "status_words": {"Success": "completed"},
    "currency": "IDR",
    "services": {"path": "services", "at": "data", "read": {"type": "type", "refill": "refill"}},
    "add": {
        "path": "order",
        "fields": {
            "service": "{service}",
            "target": "{link}",
            "quantity": "{quantity}",
            "custom_comments": "{comments}",
        },
        "at": "data",
    },
    "status": {"path": "status", "fields": {"id": "{ids}"}, "batch_max": 5, "at": "data", "many_at": "orders"},
    "balance": {"path": "profile", "at": "data"},
    "refill": {"path": "refill", "fields": {"id": "{id}"}, "at": "data", "id": "id_refill"},
    "refill_status": {"path": "refill/status", "fields": {"id": "{id}"}, "at": "data"},
}
BUZZER = {
    "key_parts": ["api_key", "secret_key"],
    "auth": {"api_key": "{api_key}", "secret_key": "{secret_key}"},
    "error_paths": ["data.msg", "msg"],
    "services": {"fields": {"action": "services"}, "at": "data"},
    "add": {
        "fields": {"action": "order", "service": "{service}", "data": "{link}", "quantity": "{quantity}"},
        "at": "data",
    },
    "status": {"fields": {"action": "status", "id": "{id}"}, "at": "data"},
    "balance": {"fields": {"action": "profile"}, "at": "data"},
    "cancel": {"fields": {"action": "cancel", "id": "{id}"}},
}
ZAYN = {
    "auth": {"api_key": "{key}"},
    "error_paths": ["data.pesan"],
    "errors": [
        {"pattern": "Permintaan Tidak Sesuai", "means": "order"},
        {"pattern": "dalam antrian", "means": "later"},
        {"pattern": "kunci salah", "means": "account"},
        {"pattern": "gangguan pusat", "means": "unclear"},
    ],
    "status_words": {"Sukses": "completed", "Menunggu": "pending"},
    "type_words": {"Komentar": "custom_comments"},
    "numbers": {"thousands": ".", "decimal": ","},
    "currency": "IDR",
    "services": {
        "path": "sosial-media",
        "fields": {"action": "layanan"},
        "at": "data",
        "read": {"service": "sid", "name": "layanan", "category": "kategori", "rate": "harga", "type": "tipe"},
    },
    "add": {
        "path": "sosial-media",
        "fields": {"action": "pemesanan", "layanan": "{service}", "target": "{link}", "jumlah": "{quantity}"},
        "at": "data",
    },
    "status": {
        "path": "sosial-media",
        "method": "GET",
        "fields": {"action": "status", "id": "{id}"},
        "at": "data",
        "read": {"charge": "harga", "start_count": "awal", "remains": "sisa"},
    },
    "balance": {"path": "profile", "body": "json", "at": "data", "balance": "saldo"},
}
ORDER = UpstreamOrder("7", "default", {"link": "https://x.com/a", "quantity": "1000"})


def irvankede(panel):
    return panel.adapter(Mapped, path="/api", api_key="88|irvan-key", **IRVANKEDE)


def buzzer(panel):
    return panel.adapter(Mapped, path="/api/json.php", api_key="buzzer-key|buzzer-secret", **BUZZER)


def zayn(panel):
    return panel.adapter(Mapped, path="/api/", api_key="zayn-key", **ZAYN)


async def test_orders_go_out_in_each_panels_words(panel):
    panel.says({"status": True, "data": {"id": 901, "price": 5}})
    for made in (irvankede, buzzer, zayn):
        assert (await made(panel).add(ORDER)).external_id == "901"
    one, two, three = panel.asked
    assert (one.path, one.form) == (
        "/api/order",
        {"service": "7", "target": "https://x.com/a", "quantity": "1000", "api_id": "88", "api_key": "irvan-key"},
    )
    assert (two.path, two.form["action"], two.form["data"]) == ("/api/json.php", "order", "https://x.com/a")
    assert (two.form["api_key"], two.form["secret_key"]) == ("buzzer-key", "buzzer-secret")
    assert (three.path, three.form) == (
        "/api/sosial-media",
        {"action": "pemesanan", "layanan": "7", "target": "https://x.com/a", "jumlah": "1000", "api_key": "zayn-key"},
    )


async def test_fields_without_a_value_are_left_out(panel):
    panel.says({"status": True, "data": {"id": 901}})
    await irvankede(panel).add(UpstreamOrder("7", "custom_comments", {"link": "l", "comments": "a\nb {link}"}))
    form = panel.asked[0].form
    assert (form["custom_comments"], "quantity" in form) == ("a\nb {link}", False)


@pytest.mark.parametrize(
    ("made", "body", "status", "kind"),
    [
        (irvankede, {"status": False, "msg": "Saldo tidak cukup"}, 200, RefusedAccount),
        (irvankede, {"status": False, "msg": "Layanan tidak ada"}, 400, RefusedOrder),
        (irvankede, {"status": False, "data": {"msg": "Layanan tidak ada"}}, 200, RefusedOrder),
        (irvankede, {"status": True, "msg": "fine", "data": {}}, 200, Unclear),
        (irvankede, {"status": True, "data": {"id": 5}}, 400, Unclear),
        (irvankede, {"status": False, "msg": "x", "data": {"id": 5}}, 200, Unclear),
        (irvankede, {"status": False}, 200, Unclear),
        (irvankede, {"status": True, "error": "x", "data": {"id": 5}}, 200, Unclear),
        (irvankede, {"msg": "Pesanan dibuat", "data": {"order": 5}}, 200, Unclear),
        (irvankede, {"data": {"id": 5}}, 200, Unclear),
        (irvankede, [], 200, Unclear),
        (irvankede, {"msg": "Too many requests"}, 429, TryLater),
        (irvankede, b"<html>", 503, Unclear),
        (zayn, {"status": False, "data": {"pesan": "Permintaan Tidak Sesuai"}}, 200, RefusedOrder),
        (zayn, {"status": False, "data": {"pesan": "Pesanan lain dalam antrian"}}, 200, TryLater),
        (zayn, {"status": False, "data": {"pesan": "API kunci salah"}}, 200, RefusedAccount),
        (zayn, {"data": {"pesan": "API kunci salah"}}, 200, RefusedAccount),
        (zayn, {"status": False, "data": {"pesan": "gangguan pusat"}}, 200, Unclear),
    ],
)
async def test_refusals(panel, made, body, status, kind):
    panel.says(body, status)
    with pytest.raises(ProviderFailure) as failure:
        await made(panel).add(ORDER)
    assert type(failure.value) is kind


async def test_numbers_with_dots_for_thousands(panel):
    row = {"sid": 3, "kategori": "IG", "layanan": "Likes", "min": "100", "max": "1.000.000", "harga": "10.200"}
    panel.says({"status": True, "data": [row, {**row, "sid": 4, "harga": "1.250,50", "tipe": "komentar"}]})
    one, two = await zayn(panel).services()
    assert (one.external_id, one.rate, one.max, one.type) == ("3", Decimal(10200), 1_000_000, "default")
    assert (two.rate, two.type) == (Decimal("1250.5"), "custom_comments")


@pytest.mark.parametrize("body", [{"status": True, "data": "kosong"}, {"status": True}, {"data": []}])
async def test_no_list_is_not_an_empty_catalogue(panel, body):
    panel.says(body)
    with pytest.raises(Unclear):
        await zayn(panel).services()


async def test_one_state(panel):
    panel.says(
        {"status": True, "data": {"id": "901", "status": "Sukses", "harga": "1.500", "awal": "2.000", "sisa": 0}}
    )
    assert await zayn(panel).status(["901"]) == {
        "901": UpstreamReport(UpstreamStatus.COMPLETED, "Sukses", Decimal(1500), 2000, 0, "IDR")
    }
    assert (panel.asked[0].method, panel.asked[0].query["id"]) == ("GET", "901")
    assert zayn(panel).status_batch_max == 1


async def test_several_states(panel):
    state = {"status": "Partial", "charge": 5, "start_count": 1, "remains": "2"}
    for orders in (
        {"1": state, "2": {"msg": "Pesanan tidak ditemukan"}, "9": state},
        [{"id": 1, **state}, {"id": "2", "msg": "Pesanan tidak ditemukan"}],
    ):
        panel.says({"status": True, "orders": orders})
        assert await irvankede(panel).status(["1", "2", "3"]) == {
            "1": UpstreamReport(UpstreamStatus.PARTIAL, "Partial", Decimal(5), 1, 2, "IDR"),
            "2": Rejected("Pesanan tidak ditemukan"),
        }
    assert (panel.asked[0].form["id"], irvankede(panel).status_batch_max) == ("1,2,3", 5)


async def test_states_of_strangers_and_of_nobody(panel):
    panel.says({"status": True, "data": {"id": "2", "status": "Success"}})
    with pytest.raises(Unclear):
        await irvankede(panel).status(["1"])
    panel.says({"status": False, "msg": "Pesanan tidak ditemukan"})
    assert await irvankede(panel).status(["1"]) == {"1": Rejected("Pesanan tidak ditemukan")}
    panel.says({"status": False, "msg": "Kredensial tidak valid"})
    with pytest.raises(RefusedAccount):
        await irvankede(panel).status(["1"])
    assert await irvankede(panel).status([]) == {}


async def test_balances(panel):
    panel.says({"status": True, "data": {"balance": 250000}})
    assert await irvankede(panel).balance() == UpstreamBalance(Decimal(250000), "IDR")
    assert await buzzer(panel).balance() == UpstreamBalance(Decimal(250000), None)
    panel.says({"status": True, "data": {"saldo": "1.250.000"}})
    assert await zayn(panel).balance() == UpstreamBalance(Decimal(1250000), "IDR")
    assert panel.asked[-1].json == {"api_key": "zayn-key"}


async def test_refills_and_cancels_where_they_exist(panel):
    panel.says_in_turn({"status": True, "data": {"id_refill": 4}}, {"status": True, "data": {"status": "Pending"}})
    assert await irvankede(panel).refill("1") == "4"
    assert await irvankede(panel).refill_status(["4"]) == {"4": UpstreamRefillStatus.PENDING}
    assert await irvankede(panel).cancel(["1"]) == {"1": Rejected("this provider cannot cancel")}
    panel.says_in_turn({"status": True}, {"status": False, "msg": "Pesanan sudah selesai"})
    assert await buzzer(panel).cancel(["1", "2"]) == {"1": None, "2": Rejected("Pesanan sudah selesai")}
    with pytest.raises(RefusedOrder, match="cannot refill"):
        await buzzer(panel).refill("1")
    assert await buzzer(panel).refill_status(["1"]) == {}


async def test_no_part_of_the_key_is_shown(panel):
    panel.says({"status": False, "msg": "bad buzzer-secret for buzzer-key"})
    with pytest.raises(ProviderFailure) as failure:
        await buzzer(panel).add(ORDER)
    assert failure.value.text == "bad [hidden] for [hidden]"
    assert "buzzer" not in (failure.value.answer or "")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"add": None}, "options.add"),
        ({"add": {"fields": {"n": "{quantty}"}}}, "add: 'n' has an unknown placeholder: quantty"),
        ({"auth": {"k": "{token}"}}, "auth: 'k' has an unknown placeholder: token"),
        ({"status": {"batch_max": 500}}, "options.status.batch_max"),
        ({"status": {"at": "a..b"}}, "options.status.at"),
        ({"errors": [{"pattern": "(", "means": "order"}]}, "is not a pattern"),
        ({"errors": [{"pattern": "x", "means": "bad"}]}, "options.errors.0.means"),
        ({"numbers": {"thousands": ".", "decimal": "."}}, "must differ"),
        ({"currency": "rupiah"}, "options.currency"),
        ({"statuses": {}}, "options.statuses"),
    ],
)
async def test_mistakes_in_a_description_are_named(panel, change, complaint):
    with pytest.raises(InvalidInputError) as failure:
        panel.adapter(Mapped, api_key="a|b", **{**BUZZER, **change})
    assert complaint in str(failure.value)


async def test_a_key_with_missing_parts_is_named_without_being_shown(panel):
    with pytest.raises(InvalidInputError) as failure:
        panel.adapter(Mapped, api_key="only-one-secret", **BUZZER)
    assert "api_key|secret_key" in str(failure.value)
    assert "only-one" not in str(failure.value)
