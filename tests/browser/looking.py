"""A browser, and what is asked of every page in it: accessible, no wider than the window, nothing to complain about."""

import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Error, Page, async_playwright

from browser.every_page import Shown

ROOT = Path(__file__).parents[2]
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
THEMES = ("light", "dark")
WIDTHS = (1440, 390)
NARROWEST = 360
_HEIGHTS = {1440: 900, 390: 844}
_PHONE_MAX = 640
_RUN_AXE = """
axe.run(document, {runOnly: %s}).then(found => JSON.stringify(found.violations.flatMap(rule => rule.nodes.map(node =>
  `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\\s+/g, " ")}`))))
"""
# Spinners never end; what was taken away in the middle of moving has nothing to wait for.
_STILL = """
Promise.allSettled(document.getAnimations().filter(each => each.effect.getComputedTiming().endTime < Infinity)
  .map(each => each.finished)).then(() => 1)
"""


class Complaints:
    """What the browser says against the pages of a test: script errors, broken policies, files that are missing."""

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._expected: list[str] = []

    def expect(self, part: str) -> None:
        """Take no offence at messages with this in them: refused forms are reported, for example ("status of 422")."""
        self._expected.append(part)

    def listen(self, page: Page) -> None:
        """Note what is said from now on."""
        page.on("console", self._note)
        page.on("pageerror", lambda error: self._heard.append(f"script: {error.message}"))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._heard.append(f"{message.type}: {message.text}")

    @property
    def unexpected(self) -> list[str]:
        """Everything that was heard and not expected."""
        return [text for text in self._heard if not any(part in text for part in self._expected)]


class Weight:
    """What a page took over the wire, with nothing kept from before."""

    def __init__(self) -> None:
        self.bytes = 0.0
        self.requests = 0

    @classmethod
    async def of(cls, page: Page) -> "Weight":
        """Weigh whatever a page loads from now on, all of it anew."""
        weight, devtools = cls(), await page.context.new_cdp_session(page)
        await devtools.send("Network.enable")
        await devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
        devtools.on("Network.loadingFinished", weight._add)
        return weight

    def _add(self, event: dict[str, Any]) -> None:
        self.bytes += event["encodedDataLength"]
        self.requests += 1


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Start the machine's Chromium, without a window."""
    finding = [str(ROOT / "scripts" / "install-chromium"), "--find"]
    found = subprocess.run(finding, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: ASYNC221
    # Chromium refuses its own sandbox to root.
    arguments = [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else ARGUMENTS
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        await browser.close()


async def open_context(
    browser: Browser, address: str, *, width: int = 1440, theme: str | None = None, scripts: bool = True
) -> BrowserContext:
    """Open a fresh browser profile; a narrow one is a phone."""
    phone = width <= _PHONE_MAX
    context = await browser.new_context(
        base_url=address,
        viewport={"width": width, "height": _HEIGHTS.get(width, 844 if phone else 900)},
        is_mobile=phone,
        has_touch=phone,
        device_scale_factor=2 if phone else 1,
        color_scheme="dark" if theme == "dark" else "light",
        java_script_enabled=scripts,
        locale="en-US",
        timezone_id="UTC",
    )
    if theme is not None:
        await context.add_cookies([{"name": "theme", "value": theme, "url": address}])
    return context


async def axe(page: Page) -> None:
    """Fail if a page breaks a rule of accessibility, with the list of what breaks which."""
    violations = await axe_violations(page)
    assert not violations, "\n".join(violations)


async def axe_violations(page: Page) -> list[str]:
    """Return what a page breaks, as "rule: element: why"."""
    devtools = await page.context.new_cdp_session(page)
    # Through the developer tools: the page's own policy rightly forbids scripts that come from elsewhere.
    if await _evaluate(devtools, "typeof axe") == "undefined":
        await _evaluate(devtools, _axe_script() + ";1")
    violations: list[str] = json.loads(await _evaluate(devtools, _RUN_AXE % json.dumps(AXE_TAGS)))
    await devtools.detach()
    return violations


async def no_sideways_scroll(page: Page, width: int | None = None) -> None:
    """Fail if a page is wider than its window, which first gets another width if one is given."""
    if width is not None:
        await page.set_viewport_size({"width": width, "height": 844})
    assert await sideways_scroll(page) <= 0


async def sideways_scroll(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    too_wide: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return too_wide


async def settled(page: Page) -> None:
    """Wait until fonts are there and nothing moves."""
    await page.evaluate("document.fonts.ready.then(() => 1)")
    await page.evaluate(_STILL)


async def path_of(page: Page, shown: Shown) -> str | None:
    """Return the address of a page of one thing, which its list knows; `None` if there is none."""
    if not shown.first_link:
        return shown.path
    await page.goto(shown.path)
    links = page.locator(shown.first_link)
    return await links.first.get_attribute("href") if await links.count() else None


@lru_cache(maxsize=1)
def _axe_script() -> str:
    return AXE.read_text("utf-8")


async def _evaluate(devtools: CDPSession, expression: str) -> Any:
    asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    answer = await devtools.send("Runtime.evaluate", asked)
    if "exceptionDetails" in answer:
        raise Error(json.dumps(answer["exceptionDetails"])[:1000])
    return answer["result"]["value"]
