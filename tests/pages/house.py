"""A copy of the panel with a little of everything, with somebody of every kind in it, that notes whatever is written to it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import psycopg

from pages.filling import CUSTOMER, OWNER, VIEWER, VISITOR, Filled
from pages.forms import CSRF_FIELD
from pages.looking import SESSION_COOKIE
from smmpanel.accounts.access import Permission
from smmpanel.accounts.sessions import open_session
from smmpanel.accounts.signing_up import add_user
from smmpanel.accounts.states import AccountState, Role
from smmpanel.entrypoints.opening import open_panel
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings

OTHER, SUSPENDED, BANNED = "other customer", "suspended", "banned"
STAFF_WITHOUT, STAFF_WITH = "staff without", "staff with"
CALLERS = (VISITOR, OTHER, SUSPENDED, BANNED, STAFF_WITHOUT, CUSTOMER, STAFF_WITH, OWNER)
MARK = "of-the-customer-alone"
"""In what belongs to the customer and others must not read."""
EVERYTHING = tuple(Permission)
VISITOR_COOKIE = "smmpanel_visitor"
VISITOR_NAME = "v" * 32
NOTED = """
CREATE TABLE written (what text);
CREATE FUNCTION note_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('house.unnoted', true) = 'on' THEN RETURN NULL; END IF;
  -- That somebody was here is told by whatever they do.
  IF TG_OP = 'UPDATE' THEN
    IF to_jsonb(OLD) - 'last_seen_at' = to_jsonb(NEW) - 'last_seen_at' THEN RETURN NULL; END IF;
  END IF;
  INSERT INTO written VALUES (TG_TABLE_NAME || ' ' || lower(TG_OP));
  RETURN NULL;
END $$;
DO $$ DECLARE one text; BEGIN
  FOR one IN SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
             AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'written' LOOP
    EXECUTE format('CREATE TRIGGER note_written AFTER INSERT OR UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION note_written()', one);
  END LOOP;
END $$;
"""
MARKED = """
-- Whoever has no password proves who they are by having signed in just now.
UPDATE users SET password_hash = '-';
UPDATE users SET username = %(mark)s, email = %(mark)s || '@example.test' WHERE id = %(user)s;
UPDATE orders SET link = 'https://instagram.com/' || %(mark)s WHERE user_id = %(user)s;
UPDATE api_keys SET name = %(mark)s WHERE user_id = %(user)s;
UPDATE passkeys SET name = %(mark)s WHERE user_id = %(user)s;
UPDATE login_sessions SET user_agent = %(mark)s WHERE user_id = %(user)s;
UPDATE orders SET key = 'mass:1' WHERE id = (SELECT min(id) FROM orders WHERE user_id = %(user)s);
UPDATE drip_feeds SET state = 'active', runs_started = 1, next_run_at = now() + interval '1 day'
 WHERE order_id IN (SELECT id FROM orders WHERE user_id = %(user)s);
UPDATE deposits SET note = %(mark)s, memo = %(mark)s WHERE user_id = %(user)s;
"""


@dataclass
class House:
    """Who there is in the copy, and how they ask for pages."""

    panel: Panel
    client: httpx.AsyncClient
    rows: psycopg.Connection[Any]
    users: dict[str, int]
    tokens: dict[str, str] = field(default_factory=dict)

    async def sign_everybody_in(self) -> None:
        """Open a session for everybody but the visitor, whose requests carry it from now on."""
        async with self.panel.db.transaction() as session:
            for caller in CALLERS:
                if caller == VISITOR:
                    continue
                opened = await open_session(
                    session,
                    self.users[caller],
                    lifetime=timedelta(days=1),
                    ip=None,
                    user_agent=MARK if caller == CUSTOMER else None,
                    now=self.panel.clock(),
                )
                self.tokens[caller] = opened.token
        self.written()

    def allow_staff(self, permissions: Iterable[Permission]) -> None:
        """Give both members of staff exactly these permissions."""
        held, whose = sorted(permissions), [self.users[STAFF_WITH], self.users[STAFF_WITHOUT]]
        self.rows.execute("UPDATE users SET permissions = %s WHERE id = ANY(%s)", (held, whose))

    async def get(self, caller: str, address: str) -> httpx.Response:
        """Open a page."""
        return await self.client.get(address, headers=self._headers(caller))

    async def post(
        self, caller: str, address: str, fields: dict[str, str], *, with_token: bool = True
    ) -> httpx.Response:
        """Send a form; without its token it is one of another site."""
        own = {CSRF_FIELD: self._form_token(caller)} if with_token else {}
        return await self.client.post(address, data={**fields, **own}, headers=self._headers(caller))

    def written(self) -> set[str]:
        """Return which tables were written since this was asked last, and how."""
        return {row[0] for row in self.rows.execute("DELETE FROM written RETURNING what")}

    def one(self, statement: str) -> Any:
        """Return the first value that a statement finds; `None` if it finds nothing."""
        row = self.rows.execute(statement, {"user": self.users[CUSTOMER]}).fetchone()
        return row[0] if row is not None else None

    def _headers(self, caller: str) -> dict[str, str]:
        name, value = (SESSION_COOKIE, self.tokens[caller]) if caller in self.tokens else (VISITOR_COOKIE, VISITOR_NAME)
        return {"cookie": f"{name}={value}"}

    def _form_token(self, caller: str) -> str:
        bound = f"session:{self.tokens[caller]}" if caller in self.tokens else f"visitor:{VISITOR_NAME}"
        return self.panel.vault.keyed_hash("csrf", bound).hex()


@asynccontextmanager
async def house_of(filled: Filled) -> AsyncIterator[House]:
    """Copy a filled panel and let everybody in."""
    with filled.place.copy(f"{filled.place.database}_house") as place, place.connect() as rows:
        settings = Settings(
            home=place.home,
            database_url=place.url,
            outgoing_allow="127.0.0.1",
            log_level="error",
        )
        async with open_panel(settings, place.url) as panel:
            users = {name: filled.people[name] for name in (CUSTOMER, VIEWER, OWNER)} | await _others(panel)
            psycopg.ClientCursor(rows).execute(MARKED, {"mark": MARK, "user": users[CUSTOMER]})
            rows.execute(NOTED)
            rows.execute("SET house.unnoted = 'on'")
            transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 1), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
                house = House(panel, client, rows, users)
                await house.sign_everybody_in()
                yield house


async def _others(panel: Panel) -> dict[str, int]:
    """Make the rest: of those who must be let in nowhere all are staff who hold everything, but for what shuts them out."""
    made = {}
    async with panel.db.transaction() as session:
        for name, role, state in (
            (OTHER, Role.CUSTOMER, AccountState.ACTIVE),
            (SUSPENDED, Role.STAFF, AccountState.SUSPENDED),
            (BANNED, Role.STAFF, AccountState.BANNED),
            (STAFF_WITHOUT, Role.STAFF, AccountState.ACTIVE),
            (STAFF_WITH, Role.STAFF, AccountState.ACTIVE),
        ):
            short = name.replace(" ", "")
            user = await add_user(session, username=short, email=f"{short}@example.test", password_hash="-", role=role)
            user.state, user.permissions = state, [permission.value for permission in EVERYTHING]
            made[name] = user.id
    return made
