"""The static files: built the same each time, small enough, and complete."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

FRONTEND = Path(__file__).parents[2] / "frontend"
BUILD = FRONTEND / "build.py"
LOCK = FRONTEND / "package-lock.json"
# The design guide's shares, in bytes, as they travel.
BUDGET = {"app.css": 16_384, "app.js": 10_240, "icons.svg": 10_240, "htmx.js": 12_288, "geist-latin.woff2": 30_720}


@pytest.fixture(scope="module")
def builder():
    spec = importlib.util.spec_from_file_location("frontend_build", BUILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(target: Path) -> dict[str, bytes]:
    subprocess.run([sys.executable, str(BUILD), str(target), "--quiet"], check=True)
    return {path.name: path.read_bytes() for path in target.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("static"))


def manifest(files: dict[str, bytes]) -> dict:
    return json.loads(files["manifest.json"])


def test_two_builds_give_identical_bytes_and_leave_nothing_old_behind(built, tmp_path):
    (tmp_path / "app.000000000000.css").write_text("old")

    assert build(tmp_path) == built


@pytest.mark.parametrize("name", BUDGET)
def test_a_file_is_within_its_share_of_a_page(built, name):
    served = manifest(built)["files"][name]

    assert len(built.get(f"{served}.br", built[served])) <= BUDGET[name]


def test_every_font_that_the_style_sheet_names_is_there(built):
    files = manifest(built)["files"]
    css = built[files["app.css"]].decode()

    assert "asset:" not in css
    assert sorted(name for name in files.values() if name.endswith(".woff2") and name in css) == sorted(
        name for name in files.values() if name.endswith(".woff2")
    )


def test_scripts_need_no_eval(built, builder):
    for name in ("app.js", "htmx-sse.js"):
        text = built[manifest(built)["files"][name]].decode()
        assert "eval(" not in text
        assert "Function(" not in text


def test_icons_are_found_wherever_they_are_named(builder, tmp_path):
    (tmp_path / "page.html").write_text("""{{ icon("wallet") }} {{ ui.empty(ico="inbox", title="x") }}""")
    (tmp_path / "picked.html").write_text("{# icons: globe, brand:x link #} {{ icon(found) }}")
    (tmp_path / "shell.py").write_text(
        """Item(icon="house"), {"icon": "users"}, PLATFORMS = ["brand:tiktok"], icons="no" """
    )

    assert builder.icons_named(((tmp_path, "*.html"), (tmp_path, "*.py"))) == [
        "brand:tiktok",
        "brand:x",
        "globe",
        "house",
        "inbox",
        "link",
        "users",
        "wallet",
    ]


def test_the_sprite_has_a_symbol_for_each_icon(builder):
    drawn = builder.sprite(["brand:tiktok", "wallet"]).decode()

    assert drawn.count("<symbol ") == 2
    assert '<symbol id="i-brand-tiktok" ' in drawn
    assert '<symbol id="i-wallet" ' in drawn
    assert "stroke-width" not in drawn


def test_an_icon_that_does_not_exist_fails_the_build(builder):
    with pytest.raises(builder.BuildError, match=r"no icons called brand:nowhere, no-such-icon\."):
        builder.sprite(["brand:nowhere", "no-such-icon", "wallet"])


def test_the_lock_pins_every_package_and_names_no_place_to_fetch_it_from():
    lock = json.loads(LOCK.read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}

    assert {"node_modules/htmx.org", "node_modules/axe-core"} <= packages.keys()
    assert [name for name, each in packages.items() if not each["integrity"].startswith("sha512-")] == []
    assert [name for name, each in packages.items() if "resolved" in each] == []
