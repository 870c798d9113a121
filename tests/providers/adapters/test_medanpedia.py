"""MedanPedia's own envelope, words and limits."""

from decimal import Decimal

import pytest

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.providers.adapters.medanpedia import OUR_TYPES, THEIR_TYPES, MedanPedia
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

ORDER = UpstreamOrder("44", "default", {"link": "https://instagram.com/x", "quantity": "100"})
PLACED = {"status": True, "msg": "Pesanan dengan id #1107 berhasil dibuat.", "data": {"id": 1107}}
STATE = {"id": 1107, "status": "Success", "charge": 1500, "start_count": 10, "remains": 0}


def medan(panel, **options):
    return panel.adapter(MedanPedia, path="", **{"api_id": 77, **options})


async def test_an_order_goes_out_in_their_words(panel):
    panel.says(PLACED)
    assert (await medan(panel).add(ORDER)).external_id == "1107"
    (asked,) = panel.asked
    assert (asked.method, asked.path) == ("POST", "/order")
    assert asked.form == {
        "target": "https://instagram.com/x",
        "quantity": "100",
        "service": "44",
        "api_id": "77",
        "api_key": "0123456789abcdef0123456789abcdef",
    }


@pytest.mark.parametrize(
    ("kind", "fields", "sent"),
    [
        ("custom_comments", {"comments": "a\nb"}, {"comments": "a\nb"}),
        ("mentions_custom_list", {"usernames": "a\nb"}, {"usernames": "a\nb"}),
        ("mentions_hashtag", {"hashtag": "cat", "quantity": "5"}, {"hashtag": "cat", "quantity": "5"}),
        ("mentions_user_followers", {"username": "bob"}, {"username": "bob"}),
        ("mentions_media_likers", {"media": "https://x/y"}, {"media": "https://x/y"}),
        ("poll", {"answer_number": "2"}, {"answer_number": "2"}),
    ],
)
async def test_fields_of_every_type(panel, kind, fields, sent):
    panel.says(PLACED)
    await medan(panel).add(UpstreamOrder("1", kind, {"link": "l", **fields}))
    form = panel.asked[0].form
    assert {name: form[name] for name in form if name not in {"target", "service", "api_id", "api_key"}} == sent


async def test_the_older_name_of_comments(panel):
    panel.says(PLACED)
    await medan(panel, comments_name="custom_comments").add(UpstreamOrder("1", "custom_comments", {"comments": "a"}))
    assert panel.asked[0].form["custom_comments"] == "a"


def test_types_map_both_ways():
    assert len(OUR_TYPES) == len(THEIR_TYPES) == 10
    assert OUR_TYPES["mention_hastag"] == "mentions_hashtag"
    assert all(OUR_TYPES[theirs] == ours for ours, theirs in THEIR_TYPES.items())


async def test_a_type_they_do_not_have_is_refused_unsent(panel):
    with pytest.raises(RefusedOrder, match="subscriptions"):
        await medan(panel).add(UpstreamOrder("1", "subscriptions", {"username": "x"}))
    assert panel.asked == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"status": False, "msg": "Kredensial tidak valid."}, RefusedAccount),
        ({"status": False, "msg": "Saldo Anda tidak mencukupi untuk melakukan pemesanan ini."}, RefusedAccount),
        ({"status": False, "msg": "IP 1.2.3.4 tidak diizinkan"}, RefusedAccount),
        ({"status": False, "msg": "Layanan tidak ditemukan."}, RefusedOrder),
        ({"status": False, "msg": "Jumlah minimal pesan adalah 100"}, RefusedOrder),
        ({"status": False, "data": {"msg": "Target tidak valid"}}, RefusedOrder),
        ({"status": False, "msg": "Masih terdapat pesanan dengan target yang sama"}, TryLater),
        ({"status": False, "msg": "Terjadi kesalahan sistem"}, Unclear),
        ({"status": True, "msg": "ok", "data": {}}, Unclear),
        ({"status": True, "msg": "ok"}, Unclear),
        ({"status": False, "msg": "x", "data": {"id": 5}}, Unclear),
        ({"data": {"id": 5}}, Unclear),
        (b"<html></html>", Unclear),
    ],
)
async def test_refusals(panel, body, kind):
    panel.says(body)
    with pytest.raises(ProviderFailure) as failure:
        await medan(panel).add(ORDER)
    assert type(failure.value) is kind


async def test_one_state(panel):
    panel.says({"status": True, "msg": "ok", "data": STATE})
    assert await medan(panel).status(["1107"]) == {
        "1107": UpstreamReport(UpstreamStatus.COMPLETED, "Success", Decimal(1500), 10, 0, "IDR")
    }
    assert panel.asked[0].form["id"] == "1107"


async def test_several_states_stand_beside_the_envelope(panel):
    panel.says(
        {
            "status": True,
            "orders": {
                "1": {**STATE, "status": "Processing"},
                "2": {"msg": "Pesanan tidak ditemukan."},
                "3": {**STATE, "status": "Partial", "remains": "40"},
            },
        }
    )
    reports = await medan(panel).status(["1", "2", "3", "4"])
    assert reports["2"] == Rejected("Pesanan tidak ditemukan.")
    assert (reports["1"].status, reports["3"].status, reports["3"].remains) == ("processing", "partial", 40)
    assert sorted(reports) == ["1", "2", "3"]
    assert (panel.asked[0].form["id"], medan(panel).status_batch_max) == ("1,2,3,4", 50)


async def test_an_order_that_is_not_there(panel):
    panel.says({"status": False, "msg": "Pesanan tidak ditemukan."})
    assert await medan(panel).status(["9"]) == {"9": Rejected("Pesanan tidak ditemukan.")}


@pytest.mark.parametrize(
    ("charge", "status"), [(0, UpstreamStatus.CANCELED), ("0.00", UpstreamStatus.CANCELED), (1500, None), (None, None)]
)
async def test_error_is_a_cancel_only_if_nothing_was_charged(panel, charge, status):
    panel.says({"status": True, "data": {**STATE, "status": "Error", "charge": charge}})
    report = (await medan(panel).status(["1107"]))["1107"]
    assert (report.status, report.raw_status) == (status, "Error")


async def test_the_catalogue(panel):
    row = {
        "id": 12,
        "name": "Instagram Followers",
        "type": "custom_comment",
        "category": "Instagram",
        "price": 15000,
        "min": 100,
        "max": 5000,
        "refill": 1,
        "average_time": "3 jam",
        "description": "Cepat<br>Aman",
    }
    panel.says({"status": True, "msg": "ok", "data": [row, {**row, "id": 13, "type": "mention_hastag", "refill": 0}]})
    one, two = await medan(panel).services()
    assert (one.external_id, one.type, one.rate, one.min, one.max) == (
        "12",
        "custom_comments",
        Decimal(15000),
        100,
        5000,
    )
    assert (one.refill, one.cancel, one.description, one.average_time) == (True, False, "Cepat\nAman", "3 jam")
    assert (two.type, two.refill) == ("mentions_hashtag", False)
    assert panel.asked[0].path == "/services"


@pytest.mark.parametrize(
    "body", [{"status": True, "data": "Empty"}, {"status": True}, [], {"status": True, "data": {}}]
)
async def test_no_catalogue_is_not_an_empty_one(panel, body):
    panel.says(body)
    with pytest.raises(Unclear):
        await medan(panel).services()


async def test_refills_one_by_one(panel):
    panel.says_in_turn(
        {"status": True, "data": {"id_refill": 5}},
        {"status": True, "data": {"status": "Success"}},
        {"status": False, "msg": "Refill tidak ditemukan."},
        {"status": True, "data": {"status": "Processing"}},
    )
    adapter = medan(panel)
    assert await adapter.refill("1107") == "5"
    assert await adapter.refill_status(["5", "6", "7"]) == {
        "5": UpstreamRefillStatus.COMPLETED,
        "6": Rejected("Refill tidak ditemukan."),
        "7": UpstreamRefillStatus.IN_PROGRESS,
    }
    assert [asked.path for asked in panel.asked] == ["/refill", "/refill_status", "/refill_status", "/refill_status"]
    assert (panel.asked[0].form["id_order"], panel.asked[1].form["id_refill"]) == ("1107", "5")


async def test_balance_is_in_rupiah(panel):
    panel.says({"status": True, "data": {"username": "u", "full_name": "U", "balance": 250000}})
    assert await medan(panel).balance() == UpstreamBalance(Decimal(250000), "IDR")
    assert panel.asked[0].path == "/profile"


async def test_there_is_no_cancel(panel):
    assert await medan(panel).cancel(["1"]) == {"1": Rejected("MedanPedia cannot cancel orders")}
    assert panel.asked == []


@pytest.mark.parametrize("options", [{}, {"api_id": "abc"}, {"api_id": 1, "apikey": "x"}])
async def test_options_are_checked(panel, options):
    with pytest.raises(InvalidInputError):
        panel.adapter(MedanPedia, **options)
