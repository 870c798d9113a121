"""`/docs` and `/redoc`: the JSON API's documentation, with everything it is made of served from here."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

OPENAPI_PATH = "/openapi.json"
ASSETS_PATH = "/docs/assets"
_KEPT = {"Cache-Control": "public, max-age=86400"}
_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
}
_INIT_NAME = "init.js"
_INIT = f"""\
"use strict";
SwaggerUIBundle({{
  url: "{OPENAPI_PATH}",
  dom_id: "#documentation",
  deepLinking: true,
  persistAuthorization: false,
  tryItOutEnabled: false,
  validatorUrl: null,
}});
"""
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'self'"
)
# Redoc makes empty style elements and fills them by rules: the hash is that of nothing. It searches in a worker that it
# makes from its own text.
REDOC_POLICY = f"{DOCS_POLICY} 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; worker-src 'self' blob:"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show the documentation in which calls can be tried."""
    return HTMLResponse(
        _page(
            request.app.title,
            f'<link rel="stylesheet" href="{ASSETS_PATH}/swagger-ui.css">',
            '<div id="documentation"></div>',
            f"{ASSETS_PATH}/swagger-ui-bundle.js",
            f"{ASSETS_PATH}/{_INIT_NAME}",
        ),
        headers={"Content-Security-Policy": DOCS_POLICY},
    )


@router.get("/redoc")
async def redoc(request: Request) -> Response:
    """Show the documentation for reading."""
    return HTMLResponse(
        _page(
            request.app.title,
            "",
            f'<redoc spec-url="{OPENAPI_PATH}" disable-google-font="true" hide-download-button="false"></redoc>',
            f"{ASSETS_PATH}/redoc.standalone.js",
        ),
        headers={"Content-Security-Policy": REDOC_POLICY},
    )


@router.get(f"{ASSETS_PATH}/{{name}}")
async def asset(name: str) -> Response:
    """Serve one of the few files that the two pages load."""
    if name == _INIT_NAME:
        return Response(_INIT, media_type="text/javascript", headers=_KEPT)
    if name not in _FILES:
        raise HTTPException(404)
    return FileResponse(_assets_folder() / name, media_type=_FILES[name], headers=_KEPT)


def _page(title: str, head: str, body: str, *scripts: str) -> str:
    loaded = "".join(f'<script src="{script}" defer></script>' for script in scripts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,">{head}</head><body>{body}{loaded}</body></html>'
    )


@cache
def _assets_folder() -> Path:
    # Found, not imported: the package's own code is of no use here.
    spec = find_spec("fastapi_offline")
    assert spec is not None, "fastapi-offline is a dependency"
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"
