"""What a browser calls itself, in words that its owner knows: "Firefox on Linux"."""

from smmpanel.kernel.i18n import marked

ON = marked("{browser} on {system}")
# Later ones in these lists call themselves earlier ones as well, so the first that fits is right.
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
UNKNOWN_MAX = 60


def browser_in(agent: str | None) -> tuple[str, str]:
    """Return browser and system as far as a `User-Agent` tells them; of a program, what it calls itself and nothing."""
    text = agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in text), "")
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    if not browser:
        return (text.partition(" ")[0][:UNKNOWN_MAX], "")
    return browser, system
