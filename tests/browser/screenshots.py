"""Photographs every page and every mail in both themes, on a desk and on a phone, and reports what is wrong with each.

Run as `python -m browser.screenshots` with `tests` on the path; `make screenshots` does so. Without an address it starts
a panel of its own, which is empty and thrown away; mails are written by that one only.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, BrowserContext

from browser.every_page import ADMIN, CUSTOMER, EVERY_PAGE, ROLES, VISITOR, Shown
from browser.looking import (
    THEMES,
    WIDTHS,
    Complaints,
    Weight,
    axe_violations,
    open_browser,
    open_context,
    path_of,
    settled,
    sideways_scroll,
)
from browser.mails import photograph_mails
from browser.site import Site, open_site
from smmpanel.entrypoints.embedded import EmbeddedPostgres


@dataclass(frozen=True)
class Seen:
    """What was found out about one picture."""

    picture: str
    address: str
    status: int
    kilobytes: float
    requests: int
    too_wide: int
    axe: list[str]
    console: list[str]

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.axe and not self.console and self.too_wide <= 0

    def line(self) -> str:
        """Say it in one line, and one more for each thing to mend."""
        head = f"{self.picture:44} {self.status} {self.kilobytes:7.1f} KB in {self.requests:2}"
        wide = [f"{self.too_wide} px too wide"] if self.too_wide > 0 else []
        return "\n    ".join([head, *wide, *self.axe, *self.console])


@dataclass(frozen=True)
class Album:
    """A panel to photograph, the cookies of each role that can be shown, and where the pictures go."""

    browser: Browser
    address: str
    cookies: dict[str, list[dict[str, Any]]]
    folder: Path

    async def photograph(self, shown: Shown, theme: str, width: int) -> Seen | None:
        """Take one picture; `None` if the page leads to nothing that could be shown."""
        context = await open_context(self.browser, self.address, width=width, theme=theme)
        try:
            await context.add_cookies(self.cookies[shown.role])  # type: ignore[arg-type]
            return await self._look(context, shown, f"{shown.name}-{theme}-{width}")
        finally:
            await context.close()

    async def _look(self, context: BrowserContext, shown: Shown, picture: str) -> Seen | None:
        page = await context.new_page()
        path = await path_of(page, shown)
        if path is None:
            return None
        weight, complaints = await Weight.of(page), Complaints()
        complaints.listen(page)
        if shown.status >= 400:
            complaints.expect(f"status of {shown.status}")
        answer = await page.goto(path, wait_until="load")
        assert answer is not None
        await settled(page)
        await page.screenshot(path=self.folder / f"{picture}.png", full_page=True)
        wrong_status = [] if answer.status == shown.status else [f"status {answer.status}, not {shown.status}"]
        return Seen(
            picture=picture,
            address=page.url.removeprefix(self.address),
            status=answer.status,
            kilobytes=round(weight.bytes / 1024, 1),
            requests=weight.requests,
            too_wide=await sideways_scroll(page),
            axe=await axe_violations(page),
            console=[*wrong_status, *complaints.unexpected],
        )


async def take_all(album: Album, pages: Sequence[Shown]) -> list[Seen]:
    """Photograph pages, saying what was found of each as it comes."""
    everything = []
    for shown in pages:
        if shown.role not in album.cookies:
            print(f"{shown.name:44} left out: nobody signs in as {shown.role}")
            continue
        for theme, width in product(THEMES, WIDTHS):
            seen = await album.photograph(shown, theme, width)
            if seen is None:
                print(f"{shown.name:44} left out: {shown.path} has no {shown.first_link}")
                break
            everything.append(seen)
            print(seen.line(), flush=True)
    return everything


@asynccontextmanager
async def own_panel() -> AsyncIterator[tuple[Site, dict[str, list[dict[str, Any]]]]]:
    """Start a panel that is thrown away; yields it and the cookies of each role."""
    with TemporaryDirectory(prefix="smmpanel-pictures-") as home:
        server = EmbeddedPostgres(Path(home), options={"fsync": "off"})
        server.start()
        try:
            async with open_site(server.url, Path(home)) as site:
                cookies = {role: [await site.cookie_of(user_id)] for role, user_id in site.people.items()}
                yield site, {VISITOR: [], **cookies}
        finally:
            server.stop()


async def signed_in(browser: Browser, address: str, name_and_password: str) -> list[dict[str, Any]]:
    """Sign in through the form and return the cookies that it gave."""
    name, _, password = name_and_password.partition(":")
    context = await open_context(browser, address)
    page = await context.new_page()
    await page.goto("/sign-in")
    await page.locator("[name=login]").fill(name)
    await page.locator("[name=password]").fill(password)
    await page.locator("main form [type=submit]").click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    cookies = [dict(each) for each in await context.cookies() if each["name"].endswith("smmpanel_session")]
    await context.close()
    return cookies


async def run(options: argparse.Namespace) -> int:
    """Take the pictures that were asked for; returns how many of them have something to mend."""
    options.out.mkdir(parents=True, exist_ok=True)
    pages = [each for each in EVERY_PAGE if options.only in each.name]
    wrong: list[str] = []
    async with open_browser() as browser:
        if options.base:
            cookies: dict[str, list[dict[str, Any]]] = {VISITOR: []}
            for role in (CUSTOMER, ADMIN):
                if given := getattr(options, role):
                    cookies[role] = await signed_in(browser, options.base, given)
            everything = await take_all(Album(browser, options.base, cookies, options.out), pages)
        else:
            async with own_panel() as (site, cookies):
                everything = await take_all(Album(browser, site.address, cookies, options.out), pages)
                wrong = await photograph_mails(browser, site.panel, site.people[CUSTOMER], options.out, options.only)
    report = json.dumps([asdict(each) for each in everything], indent=1, ensure_ascii=False)
    (options.out / "report.json").write_text(report + "\n", "utf-8")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    bad = sum(not each.is_good for each in everything) + len(wrong)
    print(f"{len(everything)} pictures in {options.out}, {bad} with something to mend")
    return bad


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--only", default="", help="only pages whose name has this in it")
    parser.add_argument("--base", default="", help="the address of a panel that runs, such as http://127.0.0.1:8000")
    for role in ROLES:
        if role != VISITOR:
            parser.add_argument(f"--{role}", default="", metavar="NAME:PASSWORD", help=f"a {role} there")
    sys.exit(1 if asyncio.run(run(parser.parse_args())) else 0)


if __name__ == "__main__":
    main()
