"""What search engines read: which pages are for everybody, and where they are."""

from xml.sax.saxutils import quoteattr

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from smmpanel.catalog.pages.looking import PUBLIC_OPTION
from smmpanel.kernel.i18n import LANGUAGES
from smmpanel.kernel.options import read_option
from smmpanel.web.origins import site_of
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False)

PUBLIC_PAGES = ("/", "/services", "/terms", "/api-docs")
# What the pages are made of may be read too, or they would be judged without their looks.
ALLOWED = ("/$", "/?lang=", "/services", "/terms", "/api-docs", "/sign-up", "/static/", "/theme.", "/logo.")
KEPT = {"Cache-Control": "public, max-age=3600"}


@router.get("/robots.txt")
async def show_robots(request: Request) -> Response:
    """Say what may be visited: the public pages, and nothing that needs somebody to be signed in."""
    lines = ["User-agent: *", *(f"Allow: {path}" for path in ALLOWED), "Disallow: /", ""]
    return PlainTextResponse("\n".join([*lines, f"Sitemap: {site_of(request)}/sitemap.xml", ""]), headers=KEPT)


@router.get("/sitemap.xml")
async def show_sitemap(request: Request, session: Session) -> Response:
    """List the public pages in all languages; the services only if visitors may see them."""
    is_public = await read_option(session, PUBLIC_OPTION) is not False
    site = site_of(request)
    pages = [f"{site}{path}" for path in PUBLIC_PAGES if is_public or path != "/services"]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">',
        *(_entry(page) for page in pages),
        "</urlset>\n",
    ]
    return Response("\n".join(lines), media_type="application/xml", headers=KEPT)


def _entry(page: str) -> str:
    others = "".join(
        f'<xhtml:link rel="alternate" hreflang="{code}" href={quoteattr(f"{page}?lang={code}")}/>' for code in LANGUAGES
    )
    return f"<url><loc>{quoteattr(page)[1:-1]}</loc>{others}</url>"
