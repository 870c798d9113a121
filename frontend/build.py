"""Builds the panel's static files from css/, js/ and the packages in node_modules/.

Names carry a hash of the content, each text lies beside its brotli and gzip forms, and manifest.json says what is there.
The same input gives the same bytes, on every machine.
"""

import argparse
import gzip
import json
import re
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import brotli
import lightningcss
import rjsmin
from fontTools import subset
from fontTools.ttLib import TTFont

FRONTEND = Path(__file__).resolve().parent
PACKAGES = FRONTEND / "node_modules"
SOURCE = FRONTEND.parent / "src" / "smmpanel"
STATIC = SOURCE / "web" / "static"
MANIFEST = "manifest.json"
HASH_LENGTH = 12

# One place decides how old a browser may be: nesting and light-dark() are lowered for these.
BROWSERS = ["chrome >= 114", "edge >= 114", "firefox >= 125", "safari >= 17", "ios_saf >= 17"]
FONTS = {
    "geist-latin": "@fontsource-variable/geist/files/geist-latin-wght-normal.woff2",
    "geist-latin-ext": "@fontsource-variable/geist/files/geist-latin-ext-wght-normal.woff2",
    "geist-vietnamese": "@fontsource-variable/geist/files/geist-vietnamese-wght-normal.woff2",
}
DONG = "₫"
DONG_FONT = "@fontsource-variable/inter/files/inter-vietnamese-wght-normal.woff2"
OWN_SCRIPTS = ("api-docs.js", "app.js", "deposit.js", "order.js", "order-rows.js", "orders.js", "passkeys.js")
"""The behaviour of all pages, and what single pages load beside it."""
SCRIPTS = {"htmx.js": "htmx.org/dist/htmx.min.js", "htmx-sse.js": "htmx.org/dist/ext/hx-sse.min.js"}

ICON_SOURCES = ((SOURCE, "**/templates/**/*.html"), (SOURCE, "**/*.py"), (FRONTEND, "js/*.js"))
_NAME = r"((?:brand:)?[a-z0-9-]+)"
ICON_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"""\bicon\(\s*["']{_NAME}["']""",
        rf"""\b(?:ico|icon)=["']{_NAME}["']""",
        rf"""["']icon["']:\s*["']{_NAME}["']""",
        # Brands are often picked by data, so their names stand alone in tables.
        r"""["'](brand:[a-z0-9-]+)["']""",
    )
)
# Icons that only data picks are listed in a comment: {# icons: globe link #} in a page, # icons: globe link in code.
LISTED = re.compile(r"#\s*icons:((?:[ ,]+(?:brand:)?[a-z0-9-]+)+)")


class BuildError(Exception):
    """The static files cannot be built from what is there."""


class Folder:
    """Files that were put for a build, and the plain names by which pages ask for them."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.files: dict[str, bytes] = {}

    def put(self, name: str, content: bytes, *, compress: bool = True) -> str:
        """Add a file and return the name that it is served under."""
        stem, _, ending = name.rpartition(".")
        served = f"{stem}.{sha256(content).hexdigest()[:HASH_LENGTH]}.{ending}"
        self.names[name] = served
        self.files[served] = content
        if compress:
            self.files[f"{served}.br"] = brotli.compress(content, quality=11)
            self.files[f"{served}.gz"] = _gzipped(content)
        return served

    def write(self, target: Path, icons: list[str]) -> None:
        """Make `target` hold exactly these files. A panel that starts meanwhile finds the old ones or the new ones."""
        target.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (target / name).write_bytes(content)
        fresh = target / f"{MANIFEST}.new"
        fresh.write_text(json.dumps({"files": self.names, "icons": icons}, indent=1, sort_keys=True) + "\n")
        fresh.replace(target / MANIFEST)
        for path in target.iterdir():
            if path.name not in self.files and path.name != MANIFEST:
                path.unlink()


def icons_named(sources: tuple[tuple[Path, str], ...] = ICON_SOURCES) -> list[str]:
    """Return the icons that pages and scripts name, in order."""
    found: set[str] = set()
    for text in _texts(sources):
        for pattern in ICON_PATTERNS:
            found.update(pattern.findall(text))
        for listed in LISTED.findall(text):
            found.update(listed.replace(",", " ").split())
    return sorted(found)


def sprite(names: list[str]) -> bytes:
    """Return one SVG with a symbol for each icon; an icon that does not exist is an error."""
    packs = {brand: _icon_pack(brand=brand) for brand in (False, True)}
    bodies = {name: _icon_body(packs[name.startswith("brand:")], name.removeprefix("brand:")) for name in names}
    if unknown := [name for name, body in bodies.items() if body is None]:
        raise BuildError(f"There are no icons called {', '.join(unknown)}.")
    symbols = "".join(
        f'<symbol id="i-{name.replace(":", "-")}" viewBox="0 0 24 24">{body}</symbol>' for name, body in bodies.items()
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg">{symbols}</svg>'.encode()


def stylesheet(fonts: Mapping[str, str]) -> bytes:
    """Return all styles as one, small, with the fonts' served names."""
    flags = lightningcss.calc_parser_flags(nesting=True)
    bundled = lightningcss.bundle_css(
        str(FRONTEND / "css" / "app.css"), browsers_list=BROWSERS, parser_flags=flags, minify=True
    )
    return re.sub(r"asset:([a-z-]+)", lambda found: fonts[found[1]], bundled).encode()


def build(target: Path = STATIC) -> Folder:
    """Build everything into a folder."""
    if not PACKAGES.is_dir():
        raise BuildError("The packages of frontend/package-lock.json are not installed: run `make install`.")
    folder = Folder()
    fonts = {
        name: folder.put(f"{name}.woff2", (PACKAGES / path).read_bytes(), compress=False)
        for name, path in FONTS.items()
    }
    fonts["dong"] = folder.put("dong.woff2", _one_glyph(PACKAGES / DONG_FONT, DONG), compress=False)
    folder.put("app.css", stylesheet(fonts))
    for name in OWN_SCRIPTS:
        folder.put(name, rjsmin.jsmin((FRONTEND / "js" / name).read_text("utf-8")).encode())
    for name, path in SCRIPTS.items():
        folder.put(name, (PACKAGES / path).read_bytes())
    icons = icons_named()
    folder.put("icons.svg", sprite(icons))
    folder.put("favicon.svg", (FRONTEND / "favicon.svg").read_bytes())
    folder.write(target, icons)
    return folder


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _texts(sources: tuple[tuple[Path, str], ...]) -> Iterator[str]:
    for folder, pattern in sources:
        for path in folder.glob(pattern):
            yield path.read_text("utf-8")


def _icon_pack(*, brand: bool) -> dict[str, Any]:
    name = "simple-icons" if brand else "lucide"
    pack: dict[str, Any] = json.loads((PACKAGES / "@iconify-json" / name / "icons.json").read_text("utf-8"))
    return pack


def _icon_body(pack: Mapping[str, Any], name: str) -> str | None:
    key = pack.get("aliases", {}).get(name, {}).get("parent", name)
    icon = pack["icons"].get(key)
    # The width of strokes is set by the style sheet.
    return None if icon is None else str(icon["body"]).replace(' stroke-width="2"', "")


def _one_glyph(source: Path, character: str) -> bytes:
    """Cut one character, in all weights, out of a font: Geist has no dong sign, Inter has."""
    options = subset.Options()
    options.flavor, options.layout_features, options.recalc_timestamp = "woff2", [], False
    font = TTFont(source, recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(text=character)
    cutter.subset(font)
    font.flavor = "woff2"
    kept = BytesIO()
    font.save(kept)
    return kept.getvalue()


def main() -> None:
    """Build, and say what each file weighs on the wire."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", type=Path, default=STATIC)
    parser.add_argument("--quiet", action="store_true", help="say nothing if all is well")
    options = parser.parse_args()
    try:
        folder = build(options.target)
    except BuildError as failure:
        sys.exit(str(failure))
    if options.quiet:
        return
    for served in sorted(folder.names.values()):
        sent = folder.files.get(f"{served}.br", folder.files[served])
        print(f"{len(sent) / 1024:7.1f} KB  {served}")


if __name__ == "__main__":
    main()
