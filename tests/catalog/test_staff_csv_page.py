"""The catalogue as a file, out and in."""

import pytest

from staff_browser import sign_in

PATH = "/staff/services/csv"


@pytest.fixture
async def admin(panel):
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


def a_file(content):
    return {"file": ("services.csv", content, "text/csv")}


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_the_page_in_every_language(admin, language):
    assert (await admin.get(PATH, params={"lang": language})).status_code == 200


async def test_what_is_downloaded_changes_nothing_when_it_comes_back(admin, jap, line):
    await jap.take(line("1"), line("2"))
    sent = await admin.get("/staff/services.csv")
    assert sent.headers["content-type"].startswith("text/csv")
    assert sent.text.count("\r\n") == 3

    checked = await admin.post(PATH, {"deed": "check"}, files=a_file(sent.content))
    assert checked.status_code == 200
    assert "0 services would be added, 0 changed, 2 stay" in checked.text


async def test_a_check_changes_nothing_and_taking_over_does(admin, jap, line, shelves):
    await jap.take(line("1"))
    service = await shelves.service("1")
    content = f"id,name\r\n{service.id},Đẹp\r\n".encode()

    await admin.post(PATH, {"deed": "check"}, files=a_file(content))
    assert (await shelves.service("1")).name == service.name
    assert (await admin.post(PATH, {"deed": "apply"}, files=a_file(content))).status_code == 303
    assert (await shelves.service("1")).name == "Đẹp"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "Choose a file."), (b"id\r\n\xff\xfe", "This is not UTF-8 text."), (b"id,name\r\n7,x\r\n", "Line")],
)
async def test_what_is_wrong_with_a_file_is_said(admin, content, said):
    answer = await admin.post(PATH, {"deed": "apply"}, files=a_file(content))

    assert answer.status_code == 422
    assert said in answer.text


async def test_what_is_wrong_is_said_in_the_readers_language(admin):
    content = b"id,name,max\r\n7,x,1\r\n,y,1.5\r\n,z,1,2\r\n"
    wrong = await admin.post(f"{PATH}?lang=vi", {"deed": "check"}, files=a_file(content))
    for said in (
        "không phải là dịch vụ của trang này",
        "là bắt buộc",
        "phải là số nguyên",
        "có nhiều ô hơn dòng tiêu đề",
    ):
        assert said in wrong.text, said
    broken = await admin.post(f"{PATH}?lang=id", {"deed": "check"}, files=a_file(b'id,name\r\n1,"open\r\n'))
    assert "cari tanda kutip yang tidak ditutup" in broken.text
