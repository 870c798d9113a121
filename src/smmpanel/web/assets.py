"""Static files: served by ourselves, under names that change with their content, so that browsers keep them for good."""

import json
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STATIC_FOLDER = Path(__file__).parent / "static"
STATIC_PATH = "/static"
MANIFEST = "manifest.json"
_KEPT = "public, max-age=31536000, immutable"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
# What we prefer comes first.
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))


class AssetsNotBuiltError(RuntimeError):
    """The folder of static files is missing or broken off."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"There are no built style sheets and scripts in {folder}: run `make install`, which makes them."
        )


class Assets:
    """The files that frontend/build.py made, read once: what they are called and what they hold. An ASGI application."""

    def __init__(self, folder: Path = STATIC_FOLDER) -> None:
        try:
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            self._names: dict[str, str] = manifest["files"]
            self.icons: frozenset[str] = frozenset(manifest["icons"])
            self._files = {served: _variants(folder / served) for served in self._names.values()}
        except FileNotFoundError as missing:
            raise AssetsNotBuiltError(folder) from missing

    def address(self, name: str) -> str:
        """Return the address of a file by its plain name; a name that there is not is a mistake in a template."""
        return f"{STATIC_PATH}/{self._names[name]}"

    def icon_address(self, name: str) -> str:
        """Return the address of an icon in the sprite; one that the build did not find named anywhere is a mistake."""
        if name not in self.icons:
            raise KeyError(f"the icon {name} is not in the sprite: name it as docs/howto/add-a-page.md says, and build")
        return f"{self.address('icons.svg')}#i-{name.replace(':', '-')}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file."""
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        name = str(scope["path"]).rpartition("/")[2]
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return Response("Method not allowed", 405, {"Allow": "GET, HEAD"}, "text/plain")
        if (found := self._files.get(name)) is None:
            return Response("Not found", 404, media_type="text/plain")
        encoding = _chosen(found, Headers(scope=scope).get("accept-encoding", ""))
        content = found[encoding]
        headers = {
            "Cache-Control": _KEPT,
            "Content-Type": _TYPES[Path(name).suffix],
            "Content-Length": str(len(content)),
            "Vary": "Accept-Encoding",
        }
        if encoding:
            headers["Content-Encoding"] = encoding
        return Response(content if scope["method"] == "GET" else b"", headers=headers)


def _variants(path: Path) -> dict[str, bytes]:
    """Return the file as it is, under no name, and in the encodings that were made of it."""
    found = {"": path.read_bytes()}
    for encoding, ending in _ENCODINGS:
        packed = path.with_name(path.name + ending)
        if packed.exists():
            found[encoding] = packed.read_bytes()
    return found


def _chosen(variants: dict[str, bytes], accepted: str) -> str:
    """Return the best encoding that both sides have; nothing means the file as it is."""
    wanted = set()
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "").rstrip(".0") != "q=":
            wanted.add(name.strip())
    return next((encoding for encoding, _ in _ENCODINGS if encoding in wanted and encoding in variants), "")
