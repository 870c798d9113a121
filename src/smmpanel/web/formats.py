"""How money, numbers and times are written for people, by language. Exact values stay where they are: this is only ink.

The rules are those of the design guide, section 14: đồng and rupiah without decimals, the symbol behind in Vietnamese,
U+2212 as the minus. Library defaults differ (two decimals and "IDR" for rupiah), so the few rules stand here.
"""

import datetime as dt
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from markupsafe import Markup

from smmpanel.kernel.i18n import marked, translate
from smmpanel.kernel.money import PLACES

NBSP = "\u00a0"
MINUS = "\u2212"
WITHOUT_DECIMALS = frozenset({"VND", "IDR", "JPY", "KRW"})
SYMBOLS = {
    "VND": "₫", "IDR": "Rp", "USD": "$", "EUR": "€", "THB": "฿", "PHP": "₱", "MYR": "RM", "INR": "₹", "BRL": "R$",
    "NGN": "₦", "GBP": "£", "NPR": "Rs",
}  # fmt: skip
_POINTS = {"en": (",", "."), "vi": (".", ","), "id": (".", ",")}
"""Between thousands, and before decimals."""
_COMPACT = {
    "en": ((10**9, "B"), (10**6, "M"), (10**3, "K")),
    "vi": ((10**9, f"{NBSP}T"), (10**6, f"{NBSP}Tr"), (10**3, f"{NBSP}N")),
    "id": ((10**9, f"{NBSP}M"), (10**6, f"{NBSP}jt"), (10**3, f"{NBSP}rb")),
}
_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "id": ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
}
JUST_NOW_SECONDS = 60
JUST_NOW = marked("just now")
YESTERDAY = marked("yesterday {time}")
DAYS, HOURS, MINUTES, SECONDS = marked("{n} d"), marked("{n} h"), marked("{n} min"), marked("{n} s")


@dataclass(frozen=True, slots=True)
class Formats:
    """The ways of writing for one reader: a language, a time zone, the panel's currency, and what time it is."""

    language: str
    time_zone: str
    currency: str
    now: datetime

    @property
    def marks(self) -> tuple[str, str]:
        """What stands between thousands, and before decimals."""
        return _POINTS[self.language]

    def num(self, value: Decimal | float, places: int = 0) -> str:
        """Write a count or a figure with `places` decimals."""
        exact = Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
        thousands, point = _POINTS[self.language]
        whole, _, fraction = f"{abs(exact):,f}".partition(".")
        sign = MINUS if exact < 0 else ""
        return f"{sign}{whole.replace(',', thousands)}{point + fraction if fraction else ''}"

    def money(self, amount: Decimal, currency: str | None = None, *, places: int | None = None) -> str:
        """Write an amount with its symbol, rounded to the currency's usual decimals unless `places` are asked for."""
        currency = currency or self.currency
        usual = _usual_places(currency) if places is None else places
        figure = self.num(abs(amount), usual)
        sign = MINUS if amount < 0 and figure.strip("0.,") else ""
        symbol = SYMBOLS.get(currency, currency + NBSP)
        if self.language == "vi":
            return f"{sign}{figure}{NBSP}{symbol.strip(NBSP)}"
        return f"{sign}{symbol}{figure}"

    def exact(self, amount: Decimal, currency: str | None = None) -> str:
        """Write an amount with all its decimals, up to six, and at least the currency's usual ones."""
        places = _places_of(amount)
        return self.money(amount, currency, places=max(places, _usual_places(currency or self.currency)))

    def brief(self, amount: Decimal, currency: str | None = None) -> str:
        """Write an amount with the currency's usual decimals; one that would look like nothing, with all that it has."""
        is_small = abs(amount) < Decimal(1).scaleb(-_usual_places(currency or self.currency))
        return self.exact(amount, currency) if is_small else self.money(amount, currency)

    def signed(self, amount: Decimal, currency: str | None = None) -> str:
        """Write a movement exactly, with its sign even if it is a plus."""
        return ("+" if amount > 0 else "") + self.exact(amount, currency)

    def percent(self, share: Decimal | float, places: int = 1) -> str:
        """Write 18.4 as `18.4%`."""
        return f"{self.num(share, places)}%"

    def compact(self, value: Decimal | float) -> str:
        """Write a figure in short, for axes and small screens: 1.3M."""
        figure = Decimal(str(value))
        for size, word in _COMPACT[self.language]:
            if abs(figure) >= size:
                short = self.num(figure / size, 1)
                point = _POINTS[self.language][1]
                return short.removesuffix(f"{point}0") + word
        return self.num(figure)

    def compact_money(self, amount: Decimal) -> str:
        """Write an amount in short, with its symbol."""
        if abs(amount) < 10_000:
            return self.money(amount)
        symbol = SYMBOLS.get(self.currency, self.currency + NBSP)
        figure = self.compact(abs(amount))
        sign = MINUS if amount < 0 else ""
        return f"{sign}{figure}{NBSP}{symbol}" if self.language == "vi" else f"{sign}{symbol}{figure}"

    def date(self, moment: datetime | dt.date) -> str:
        """Write a date: 21 Nov 2026, 21/11/2026."""
        day = self._local(moment).date() if isinstance(moment, datetime) else moment
        if self.language == "vi":
            return f"{day.day:02}/{day.month:02}/{day.year}"
        return f"{day.day} {_MONTHS[self.language][day.month - 1]} {day.year}"

    def day(self, day: dt.date) -> str:
        """Write a day of the running year in short, as on an axis: 21 Nov, 21/11."""
        if self.language == "vi":
            return f"{day.day:02}/{day.month:02}"
        return f"{day.day} {_MONTHS[self.language][day.month - 1]}"

    def time(self, moment: datetime) -> str:
        """Write the time of day: 14:05, 14.05."""
        local = self._local(moment)
        return f"{local.hour:02}{'.' if self.language == 'id' else ':'}{local.minute:02}"

    def moment(self, moment: datetime) -> str:
        """Write date and time."""
        return f"{self.date(moment)} {self.time(moment)}"

    def ago(self, moment: datetime) -> Markup:
        """Write how long ago something was, as a `<time>` that tells the full moment and its zone."""
        return self._tagged(moment, self._age(moment))

    def at(self, moment: datetime) -> Markup:
        """Write date and time as a `<time>` that tells the zone."""
        return self._tagged(moment, self.moment(moment))

    def span(self, length: timedelta | float) -> str:
        """Write a duration (seconds, if it is a number) in two units at most: 2 h 12 min, 2 d 4 h."""
        seconds = int(length.total_seconds() if isinstance(length, timedelta) else length)
        parts = ((DAYS, seconds // 86400), (HOURS, seconds // 3600 % 24), (MINUTES, seconds // 60 % 60))
        first = next((place for place, (_, count) in enumerate(parts) if count), None)
        if first is None:
            return self._say(SECONDS, seconds)
        return " ".join(self._say(unit, count) for unit, count in parts[first : first + 2] if count)

    def _age(self, moment: datetime) -> str:
        seconds = (self.now - moment).total_seconds()
        if seconds < JUST_NOW_SECONDS:
            return translate(self.language, JUST_NOW) if seconds > -JUST_NOW_SECONDS else self.moment(moment)
        if seconds < 3600:
            return self._say(MINUTES, int(seconds // 60))
        if seconds < 12 * 3600:
            return self._say(HOURS, int(seconds // 3600))
        days = (self._local(self.now).date() - self._local(moment).date()).days
        if days == 0:
            return self.time(moment)
        if days == 1:
            return translate(self.language, YESTERDAY, time=self.time(moment))
        return self.date(moment)

    def _say(self, text: str, count: int) -> str:
        return translate(self.language, text, n=self.num(count)).replace(" ", NBSP)

    def _tagged(self, moment: datetime, text: str) -> Markup:
        local = self._local(moment)
        return Markup('<time class="nowrap" datetime="{}" title="{} {}">{}</time>').format(
            moment.astimezone(UTC).isoformat(timespec="seconds"), self.moment(moment), local.tzname() or "", text
        )

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(zone_of(self.time_zone))


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name; what is none any more is UTC."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def _usual_places(currency: str) -> int:
    return 0 if currency in WITHOUT_DECIMALS else 2


def _places_of(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return min(PLACES, max(0, -exponent)) if isinstance(exponent, int) else 0
