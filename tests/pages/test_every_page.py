"""Every page, for every role, in every language, with nothing, little and much to show.

Pages are found through the routers: a new one is looked at without being listed here. A name in its address that is not known
yet goes into `filling.IDS`.
"""

import httpx
import pytest

from pages.filling import IDS, LITTLE, MUCH, NOTHING, OWNER, ROLES, VISITOR, Filled
from pages.looking import address_of, faults_of, open_client, page_paths, watched
from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.i18n import LANGUAGES
from smmpanel.kernel.settings import Settings

OF_ANOTHER = {
    "/sign-in/code",
    "/sign-in/openid",
    "/sign-in/openid/back",
    "/staff/settings/mails",
    "/metrics",
    "/orders/new/charge",
    "/staff/import/done",
}
"""Answered only from this machine, in development, between two steps, or when more is said than the address."""
LEADING_BACK = {"/account/profile", "/account/region", "/account/security/password", "/notifications/{notification_id}"}
"""Where forms are sent to, and what only leads on."""
OF_A_MOMENT = {"key", "mail_id", "token", "name", "digest"}
"""Names in addresses of what exists only between two steps; the tests of those steps open them."""
AS_PART = {"hx-request": "true"}
CHECKED = 200, 204, 303, 403, 404


def settings_of(panel: Filled) -> Settings:
    return Settings(home=panel.place.home, database_url=panel.place.url, log_level="error")  # type: ignore[arg-type]


async def opened(client: httpx.AsyncClient, address: str, **query: str) -> httpx.Response:
    """Open a page; what is a part of one, and leads to that, is asked for as a part."""
    shown = await client.get(address, params=query)
    return await client.get(address, params=query, headers=AS_PART) if shown.status_code == 303 else shown


@pytest.mark.parametrize("amount", [NOTHING, LITTLE, MUCH], ids=lambda amount: amount.name)
async def test_every_page_is_whole_in_every_language(filled_panel, amount, monkeypatch):
    filled = filled_panel(amount)
    faults, seen = [], set()
    async with open_panel(settings_of(filled), filled.place.url) as panel:
        for role in ROLES:
            async with open_client(panel, filled.tokens.get(role)) as client:
                for path in page_paths():
                    address = address_of(path, filled.ids)
                    for language in LANGUAGES if address else ():
                        with watched(panel, monkeypatch) as watch:
                            shown = await opened(client, address, lang=language)
                        where = f"{address} for the {role} in {language}"
                        if shown.status_code not in CHECKED:
                            faults.append(f"{where}: {shown.status_code}")
                        if shown.status_code == 200:
                            seen.add(path)
                        if shown.headers.get("content-type", "").startswith("text/html"):
                            faults += [f"{where}: {fault}" for fault in faults_of(shown.text, language)]
                            faults += [f"{where}: not translated: {text}" for text in sorted(watch.untranslated)]
    unseen = {path for path in page_paths() if filled.ids and address_of(path, filled.ids)} - seen
    assert not faults, "\n".join(faults)
    assert unseen - OF_ANOTHER - LEADING_BACK == set()


async def statements(filled: Filled, monkeypatch) -> dict[tuple[str, str], list[str]]:
    """Return what each page asks the database once everything is warm."""
    asked = {}
    async with open_panel(settings_of(filled), filled.place.url) as panel:
        for role in ROLES:
            async with open_client(panel, filled.tokens.get(role)) as client:
                for path in page_paths():
                    if (address := address_of(path, filled.ids)) is None:
                        continue
                    await client.get(address)
                    with watched(panel, monkeypatch) as watch:
                        shown = await client.get(address)
                    if shown.headers.get("content-type", "").startswith("text/html"):
                        asked[role, path] = watch.statements
    return asked


async def test_no_page_asks_more_of_the_database_when_there_is_more_to_show(filled_panel, monkeypatch):
    little = await statements(filled_panel(LITTLE), monkeypatch)
    much = await statements(filled_panel(MUCH), monkeypatch)

    grown = [
        f"{path} for the {role}: {len(little[role, path])} with little, {len(ran)} with much"
        for (role, path), ran in much.items()
        if len(ran) > len(little[role, path])
    ]
    assert not grown, "\n".join(grown)
    assert {role for role, _ in much} == set(ROLES)
    assert (OWNER, "/staff/orders") in much
    assert (VISITOR, "/sign-in") in much


def test_every_name_in_an_address_is_known():
    known = {"user_id", *IDS} | OF_A_MOMENT

    unknown = [path for path in page_paths() if address_of(path, dict.fromkeys(known, 1)) is None]

    assert unknown == []
