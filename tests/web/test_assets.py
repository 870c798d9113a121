"""Static files: packed as the browser can read them, and kept for good."""

import gzip
import json

import brotli
import httpx
import pytest

from smmpanel.web.assets import Assets, AssetsNotBuiltError

CSS = b"a { color: red }" * 20


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.abc.css").write_bytes(CSS)
    (tmp_path / "app.abc.css.br").write_bytes(brotli.compress(CSS))
    (tmp_path / "app.abc.css.gz").write_bytes(gzip.compress(CSS))
    (tmp_path / "face.def.woff2").write_bytes(b"wOF2")
    (tmp_path / "icons.123.svg").write_bytes(b"<svg/>")
    names = {"app.css": "app.abc.css", "icons.svg": "icons.123.svg", "face.woff2": "face.def.woff2"}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": names, "icons": ["brand:x", "wallet"]}))
    return tmp_path


@pytest.fixture
async def client(folder):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Assets(folder)), base_url="http://panel") as opened:
        yield opened


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, deflate, br", "br"),
        ("br;q=0.1, gzip;q=1.0", "br"),
        ("br;q=0, gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br; q=0.0, gzip; q=0", None),
        ("identity", None),
        ("zstd", None),
        ("", None),
    ],
)
async def test_a_text_is_sent_packed_as_the_browser_can_read_it(client, folder, accepted, sent):
    answer = await client.get("/static/app.abc.css", headers={"Accept-Encoding": accepted})

    assert answer.status_code == 200
    assert answer.headers.get("content-encoding") == sent
    assert answer.content == CSS
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    ending = {"br": ".br", "gzip": ".gz", None: ""}[sent]
    assert int(answer.headers["content-length"]) == (folder / f"app.abc.css{ending}").stat().st_size


async def test_a_font_is_packed_already(client):
    answer = await client.get("/static/face.def.woff2", headers={"Accept-Encoding": "br, gzip"})

    assert answer.headers["content-type"] == "font/woff2"
    assert "content-encoding" not in answer.headers
    assert answer.content == b"wOF2"


async def test_a_head_request_gets_the_same_headers_and_no_content(client):
    asked = {"Accept-Encoding": "br"}
    answer = await client.head("/static/app.abc.css", headers=asked)

    assert answer.content == b""
    assert answer.headers == (await client.get("/static/app.abc.css", headers=asked)).headers


async def test_only_files_of_the_manifest_are_served(client):
    for name in ("app.css", "app.abc.css.br", "manifest.json", "../conftest.py", ""):
        assert (await client.get(f"/static/{name}")).status_code == 404


async def test_nothing_can_be_sent_to_a_file(client):
    answer = await client.post("/static/app.abc.css")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_files_are_asked_for_by_their_plain_names(folder):
    assets = Assets(folder)

    assert assets.address("app.css") == "/static/app.abc.css"
    with pytest.raises(KeyError):
        assets.address("other.css")


def test_an_icon_that_is_not_in_the_sprite_is_noticed(folder):
    assets = Assets(folder)

    assert assets.icon_address("brand:x") == "/static/icons.123.svg#i-brand-x"
    with pytest.raises(KeyError, match="the icon house is not in the sprite"):
        assets.icon_address("house")


@pytest.mark.parametrize("missing", ["manifest.json", "app.abc.css"])
def test_a_folder_that_is_not_built_says_what_to_do(folder, missing):
    (folder / missing).unlink()

    with pytest.raises(AssetsNotBuiltError, match="run `make install`"):
        Assets(folder)
