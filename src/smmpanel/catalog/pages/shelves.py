"""What pages that offer services share: the price list of whoever looks, and the platforms to choose from."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from smmpanel.catalog.kept_lists import KeptList, KeptLists
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.kernel.i18n import marked
from smmpanel.web.transactions import panel_of

EVERY_PLATFORM = "all"
VISITOR = 0
"""No user has this id: visitors pay list prices."""
_ALL = marked("All")
_OTHER_ICON = "layers"
_ICONS = {
    "instagram": "brand:instagram",
    "tiktok": "brand:tiktok",
    "facebook": "brand:facebook",
    "youtube": "brand:youtube",
    "telegram": "brand:telegram",
    "x": "brand:x",
    "threads": "brand:threads",
    "spotify": "brand:spotify",
    "soundcloud": "brand:soundcloud",
    "twitch": "brand:twitch",
    "kick": "brand:kick",
    "discord": "brand:discord",
    "pinterest": "brand:pinterest",
    "whatsapp": "brand:whatsapp",
    "vk": "brand:vk",
    "google": "brand:google",
    "linkedin": "link",
    "website": "globe",
}
# icons: layers link globe layout-grid


class Tile(NamedTuple):
    """One platform to choose. The name of `all` is a text to be translated, the others are names."""

    slug: str
    name: str
    icon: str


async def list_for(request: Request, session: AsyncSession, user_id: int) -> KeptList:
    """Return a user's price list, as this process keeps it; that of `VISITOR` has list prices."""
    state = request.app.state
    if not hasattr(state, "kept_lists"):
        state.kept_lists = KeptLists(panel_of(request).currency)
    kept: KeptLists = state.kept_lists
    return await kept.list_for(session, user_id)


def tiles(kept: KeptList) -> list[Tile]:
    """Return the platforms that have something on sale, and before them all of them together."""
    first = Tile(EVERY_PLATFORM, _ALL, "layout-grid")
    known = [one for one in PLATFORMS.values() if one.slug in kept.platforms]
    return [first, *(Tile(one.slug, one.name.partition(" (")[0], _ICONS.get(one.slug, _OTHER_ICON)) for one in known)]
