"""The forms of a page, as a browser would send them untouched."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

CSRF_FIELD = "csrf_token"
UNSENT = {"checkbox", "radio", "submit", "file", "image"}
"""Fields that are not sent unless something was done to them."""


@dataclass
class Form:
    """Where a form leads, and what is in it as it stands."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    is_offered: bool = False
    """Whether there is a button that sends it."""


class _Reader(HTMLParser):
    def __init__(self, here: str) -> None:
        super().__init__()
        self.here = here
        self.forms: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self._open: Form | None = None
        self._select: tuple[Form, str] | None = None
        self._text: tuple[Form, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._begin(given)
            return
        form = self.by_id.get(given["form"]) if "form" in given else self._open
        if form is None:
            return
        if tag == "button":
            self._offer(form, given)
        elif tag == "option" and self._select is not None:
            chosen, name = self._select
            if name not in chosen.fields or "selected" in given:
                chosen.fields[name] = given.get("value", "")
        elif "name" in given:
            self._fill(form, tag, given)

    def _begin(self, given: dict[str, str]) -> None:
        action = (given.get("action") or self.here).split("?")[0].split("#")[0]
        self._open = Form(action, given.get("method", "get").lower())
        # One that is not shown only lends its fields to buttons that lead elsewhere.
        if "hidden" not in given:
            self.forms.append(self._open)
        if "id" in given:
            self.by_id[given["id"]] = self._open

    def _offer(self, form: Form, given: dict[str, str]) -> None:
        if given.get("type", "submit") != "submit" or "disabled" in given:
            return
        if "formaction" in given:
            self.forms.append(Form(given["formaction"].split("?")[0], form.method, form.fields, is_offered=True))
        else:
            form.is_offered = True

    def _fill(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given["name"], given.get("type", "text")
        if tag == "textarea":
            form.fields[name], self._text = "", (form, name)
        elif tag == "select":
            self._select = (form, name)
        elif tag == "input" and (kind not in UNSENT or "checked" in given):
            form.fields[name] = given.get("value", "on" if kind == "checkbox" else "")

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            form, name = self._text
            form.fields[name] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._text = None


def forms_of(html: str, here: str) -> list[Form]:
    """Return the forms of a page that is at this path."""
    reader = _Reader(here)
    reader.feed(html)
    return reader.forms
