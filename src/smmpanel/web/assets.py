"""Static files: served by ourselves, under names that change with their content, so that browsers keep them for good."""

import mimetypes
from hashlib import sha256
from pathlib import Path

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STATIC_FOLDER = Path(__file__).parent / "static"
STATIC_PATH = "/static"
_KEPT = "public, max-age=31536000, immutable"
_HASH_LENGTH = 12


class Assets:
    """The files of one folder, read once: what they are called and what they hold. An ASGI application."""

    def __init__(self, folder: Path = STATIC_FOLDER) -> None:
        self._names: dict[str, str] = {}
        self._files: dict[str, tuple[bytes, str]] = {}
        for path in sorted(file for file in folder.iterdir() if file.is_file()):
            content = path.read_bytes()
            hashed = f"{path.stem}.{sha256(content).hexdigest()[:_HASH_LENGTH]}{path.suffix}"
            self._names[path.name] = hashed
            self._files[hashed] = (content, mimetypes.guess_type(path.name)[0] or "application/octet-stream")

    def address(self, name: str) -> str:
        """Return the address of a file by its plain name; a name that there is not is a mistake in a template."""
        return f"{STATIC_PATH}/{self._names[name]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file."""
        found = self._files.get(str(scope["path"]).rpartition("/")[2])
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            response = Response("Method not allowed", 405, media_type="text/plain")
        elif found is None:
            response = Response("Not found", 404, media_type="text/plain")
        else:
            content, media_type = found
            response = Response(content, media_type=media_type, headers={"Cache-Control": _KEPT})
        await response(scope, receive, send)
