"""Photographs of every mail, as wide as programs on a desk and on a phone show them, in both themes."""

from dataclasses import replace
from itertools import product
from pathlib import Path

from playwright.async_api import Browser

from browser.looking import THEMES, sideways_scroll
from notifications.every_mail import every_mail
from smmpanel.kernel.panel import Panel

WIDTHS = (600, 380)


async def photograph_mails(browser: Browser, panel: Panel, user_id: int, folder: Path, only: str = "") -> list[str]:
    """Write each mail as HTML and as text, with its pictures; returns what is wrong with them."""
    public = panel.settings.model_copy(update={"public_url": "https://panel.example", "smtp_from": "a@panel.example"})
    wrong = []
    async for name, letter in every_mail(replace(panel, settings=public), user_id):
        if only not in name:
            continue
        (folder / f"{name}.txt").write_text(f"Subject: {letter.subject}\n\n{letter.text}", "utf-8")
        (folder / f"{name}.html").write_text(letter.html, "utf-8")
        for theme, width in product(THEMES, WIDTHS):
            page = await browser.new_page(
                viewport={"width": width, "height": 500},
                color_scheme="dark" if theme == "dark" else "light",
                # Mail programs run no scripts and are often not allowed to fetch anything.
                java_script_enabled=False,
                offline=True,
            )
            await page.set_content(letter.html)
            await page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True)
            if (extra := await sideways_scroll(page)) > 0:
                wrong.append(f"{name}-{theme}-{width}: {extra} px too wide")
            await page.close()
    return wrong
