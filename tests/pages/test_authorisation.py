"""Who may open and send what: every route that pages are made of, for everybody there is.

Routes are found through the routers, and so is the permission that each of them names; a new one is tried without being listed.
What cannot be read off a route stands in `rules`, and a route that needs a line there fails the first test with a word on which.
Forms are sent as the pages show them.
"""

import sys

import httpx
import pytest
import structlog

from pages.filling import CUSTOMER, IDS, LITTLE, OWNER, VISITOR
from pages.forms import CSRF_FIELD, forms_of
from pages.house import MARK, STAFF_WITH, STAFF_WITHOUT, House, house_of
from pages.looking import NEVER_ENDS
from pages.routes import page_routes, route_at
from pages.rules import (
    ASKED,
    FOR_ALL_STAFF,
    FROM_THIS_MACHINE,
    LET_IN,
    MORE_IDS,
    NOT_FOUND,
    NOT_THERE,
    OPEN,
    OWN_IDS,
    READING,
    REFUSED,
    SENT,
    SHARED,
    SIGN_IN,
    TAKES,
    VARIANTS,
    WRITES,
    Case,
    cases,
)

DONE = {
    "POST /api-keys",
    "POST /orders/{order_id:int}/pause",
    "POST /voucher",
    "POST /staff/deposits/{deposit_id}/approve",
    "POST /staff/orders/{order_id}/{name}",
    "POST /staff/people/{user_id}/permissions",
    "POST /staff/users/{user_id}/balance",
    "POST /staff/users/{user_id}/sessions/revoke",
    "POST /staff/users/{user_id}/state",
}
"""Some deeds that must have been done in the end, so that it means something that nobody else could do them."""
READERS = {True: {STAFF_WITH, OWNER}, False: {VISITOR, CUSTOMER}}
"""Whose pages are read for forms: of those for staff, and of the others."""
ANSWERS = {SIGN_IN: {"GET": 303, "POST": 401}, REFUSED: {"GET": 403, "POST": 403}, NOT_FOUND: {"GET": 404, "POST": 404}}


def test_every_route_says_whom_it_is_for():
    unclear = []
    for name, route in page_routes().items():
        if route.method not in {"GET", "POST"}:
            unclear.append(f"{name}: pages are opened and forms are sent, nothing else")
        if not route.is_for_staff and not route.needs_sign_in and name not in OPEN | FROM_THIS_MACHINE:
            unclear.append(
                f"{name} is open to everybody: it depends on CurrentViewer or FOR_MEMBERS, or goes into OPEN"
            )
        if route.is_for_staff and not route.needs_sign_in:
            unclear.append(f"{name} is open to everybody: its router takes FOR_STAFF")
        takes = route.takes | TAKES.get(name, frozenset())
        variants = VARIANTS.get(name, [])
        if route.is_for_staff and not takes and name not in FOR_ALL_STAFF:
            unclear.append(f"{name} names no permission: it depends on staff_with(...), or goes into FOR_ALL_STAFF")
        each_takes_more = bool(variants) and all(one.takes for one in variants)
        only_looks = not each_takes_more and all(one.value.endswith(".view") for one in takes)
        if route.is_for_staff and route.method == "POST" and only_looks and name not in READING:
            unclear.append(
                f"{name} takes no more than looking: what its verb takes goes into TAKES, or the route into READING"
            )
        unclear += [
            f"{name}: nothing says how {{{one}}} is found: a line in filling.IDS or rules.MORE_IDS does"
            for one in route.names
            if one not in {**IDS, **MORE_IDS} and not (variants and all(one in variant.ids for variant in variants))
        ]
    listed = {
        *OPEN,
        *FROM_THIS_MACHINE,
        *FOR_ALL_STAFF,
        *READING,
        *TAKES,
        *SHARED,
        *ASKED,
        *NOT_THERE,
        *SENT,
        *VARIANTS,
        *WRITES,
    }
    unclear += [f"{name} is in a table, but there is no such route" for name in listed - set(page_routes())]
    assert not unclear, "\n".join(unclear)


class Walk:
    """Goes through all cases, and keeps what was wrong and what the pages' forms were."""

    def __init__(self, house: House):
        self.house = house
        self.wrong: list[str] = []
        self.forms: dict[str, dict[str, str]] = {}
        """What is in the form that leads to a route."""
        self.reached: set[str] = set()
        self.done: set[str] = set()
        self.held: frozenset[str] | None = None

    def address(self, case: Case, before: str = "") -> str:
        """Return where a case is called, with what its names stand for now; where it was before if that was the last one."""
        route, found = case.route, dict(case.variant.ids)
        known = {**IDS, **MORE_IDS, **OWN_IDS.get(route.path, {}), **case.variant.finds}
        for name in route.names:
            if name not in found:
                found[name] = self.house.one(known.get(name, "SELECT NULL"))
            if found[name] is None:
                if not before:
                    self.wrong.append(f"{case}: nothing is found for {{{name}}}: pages/others.sql has to make one")
                return before or route.path
        return route.address(found) + ASKED.get(route.name, "")

    def allow(self, held):
        if held != self.held:
            self.house.allow_staff(held)
            self.held = held

    async def open_pages(self):
        """Open every page as everybody."""
        for case in cases("GET"):
            address = self.address(case)
            for caller in case.callers:
                if case.route.path in NEVER_ENDS and case.becomes_of(caller) == LET_IN:
                    continue
                for held in case.held_by(caller):
                    self.allow(held)
                    answer = await self.house.get(caller, address)
                    self.judge(case, caller, held, answer)
                    if answer.status_code == 200 and caller in READERS[case.route.is_for_staff]:
                        self.read_forms(case, caller, held, answer)
            if (written := self.house.written()) and case.route.name not in WRITES:
                self.wrong.append(f"{case} is only looked at, but writes: {sorted(written)}")

    async def send_forms(self):
        """Send every form as everybody: first those who may not, then one that is of another site, then those who may."""
        for case in cases("POST"):
            fields = {**self.forms.get(case.route.name, {}), **SENT.get(case.route.name, {}), **case.variant.sent}
            address = self.address(case)
            may = [caller for caller in reversed(case.callers) if case.becomes_of(caller) == LET_IN]
            for caller in case.callers:
                for held in case.held_by(caller) if caller not in may else ():
                    self.allow(held)
                    self.judge(case, caller, held, await self.house.post(caller, address, fields))
            foreign = await self.house.post(may[0], address, fields, with_token=False)
            if foreign.status_code != 403:
                self.wrong.append(f"{case} takes a form of another site: {foreign.status_code}")
            if written := self.house.written():
                self.wrong.append(f"{case} is refused to everybody so far, but writes: {sorted(written)}")
                await self.house.sign_everybody_in()
            for caller in may:
                [held] = case.held_by(caller)
                self.allow(held)
                self.judge(case, caller, held, await self.house.post(caller, self.address(case, address), fields))
                if written := self.house.written():
                    self.done.add(case.route.name)
                if {"login_sessions update", "login_sessions delete"} & written:
                    await self.house.sign_everybody_in()

    def judge(self, case: Case, caller: str, held, answer: httpx.Response) -> None:
        """Keep what is wrong with an answer."""
        route, expected, status = case.route, case.becomes_of(caller), answer.status_code
        where = f"{case} for the {caller}"
        if caller in {STAFF_WITH, STAFF_WITHOUT} and route.is_for_staff:
            lacks = sorted(case.takes - held)
            where += f", who lacks {', '.join(lacks)}" if lacks else ""
        if expected != LET_IN and status != ANSWERS[expected][route.method]:
            self.wrong.append(f"{where}: {status}, but {expected}")
        if expected == LET_IN:
            leads_out = status == 303 and answer.headers["location"].startswith("/sign-in?")
            if status in {401, 403, 405} or status >= 500 or leads_out:
                self.wrong.append(f"{where}: {status}, but {expected}: {_said(answer)}")
            elif status == 404 and str(case) not in self.reached and route.name not in NOT_THERE:
                self.wrong.append(f"{where}: there is nothing at {answer.request.url.path}")
            else:
                self.reached.add(str(case))
        is_echo = MARK.encode() in answer.request.content
        if MARK in answer.text and not is_echo and not case.may_read_of_the_customer(caller):
            self.wrong.append(f"{where} tells of the customer")

    def read_forms(self, case: Case, caller: str, held, answer: httpx.Response) -> None:
        """Keep the forms of a page, and what is wrong with them."""
        for form in forms_of(answer.text, answer.request.url.path) if "<form" in answer.text else ():
            if form.method != "post" or form.action.startswith("/api/"):  # which takes no cookie
                continue
            where = f"{case} for the {caller}: the form that leads to {form.action}"
            if not form.fields.get(CSRF_FIELD):
                self.wrong.append(f"{where} has no {CSRF_FIELD}")
            target = route_at("POST", form.action)
            if target is None:
                self.wrong.append(f"{where} leads nowhere")
                continue
            lacks = (target.takes | TAKES.get(target.name, frozenset())) - held
            if caller == STAFF_WITH and form.is_offered and lacks:
                self.wrong.append(f"{where} is offered to somebody who lacks {', '.join(sorted(lacks))}")
            if len(form.fields) > len(self.forms.get(target.name, {})):
                self.forms[target.name] = {name: value for name, value in form.fields.items() if name != CSRF_FIELD}


def _said(answer: httpx.Response) -> str:
    return " ".join(answer.text.split("</h1>")[-1].split())[:200]


@pytest.fixture
def failures():
    """What was raised and became an answer of 500, instead of pages of log."""
    before, raised = structlog.get_config(), []

    def keep(_logger, _method, event):
        if event.get("exc_info"):
            raised.append(f"{event.get('method')} {event.get('path')}: {sys.exc_info()[1]!r}")
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    yield raised
    structlog.configure(**before)


async def test_everybody_at_every_route(filled_panel, failures):
    async with house_of(filled_panel(LITTLE)) as house:
        walk = Walk(house)
        await walk.open_pages()
        await walk.send_forms()
    assert not walk.wrong, "\n".join([*sorted(set(walk.wrong)), *failures])
    assert walk.done >= DONE, "what is sent for these is refused: rules.SENT says what to send"
