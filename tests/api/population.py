"""A panel with somebody of every kind, and one customer who has one of everything that has an owner."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import update

from making import make_provider, make_service, make_user, place
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.api_keys import issue_key
from smmpanel.accounts.models import User
from smmpanel.accounts.sessions import access_token, open_session
from smmpanel.accounts.states import AccountState, Role
from smmpanel.catalog.stock import add_stock
from smmpanel.kernel.panel import Panel
from smmpanel.payments.methods import MethodTerms, add_method, enable_method
from smmpanel.payments.models import Receipt, ReceiptState
from smmpanel.payments.opening import NewDeposit, open_deposit

OWNER, OTHER, SUSPENDED, BANNED = "owner", "other customer", "suspended", "banned"
STRANGER, STAFF, ADMIN, KEY = "stranger", "staff", "admin", "API key"
BANK = {"bank": "970416", "account_number": "123456789", "account_name": "NGUYEN VAN A", "memo_prefix": "PANEL"}
MARK = "of-the-owner-alone"
"""In everything of the owner that others must not read."""


@dataclass
class Population:
    """Who there is, and what."""

    panel: Panel
    users: dict[str, int]
    headers: dict[str, dict[str, str]]
    service: int
    order: int
    second: int
    drip: int
    stock: int
    by_hand: int
    deposit: int
    method: int
    receipt: int
    """Money in review."""
    victim: int
    """A customer who may be banned, suspended and paid."""
    spare_session: int = 0
    spare_key: int = 0
    """Of the owner: to be ended, while others go on."""

    async def sign_in(self, name: str) -> int:
        """Open a session for somebody, whose headers carry it from now on."""
        panel, now, user_id = self.panel, self.panel.clock(), self.users[name]
        async with panel.db.transaction() as session:
            opened = await open_session(
                session,
                user_id,
                lifetime=timedelta(days=1),
                ip=None,
                user_agent=MARK if name == OWNER else None,
                now=now,
            )
        token = access_token(
            panel.vault, user_id=user_id, session_id=opened.session_id, lifetime=timedelta(hours=1), now=now
        )
        self.headers[name] = {"authorization": f"Bearer {token}"}
        return opened.session_id

    async def allow_staff(self, *permissions: Permission) -> None:
        """Give the member of staff exactly these permissions."""
        held = [permission.value for permission in permissions]
        async with self.panel.db.transaction() as session:
            await session.execute(update(User).where(User.id == self.users[STAFF]).values(permissions=held))

    async def new_key(self) -> int:
        """Make an API key of the owner's, which stands under `KEY` from now on."""
        async with self.panel.db.transaction() as session:
            owner = await session.get_one(User, self.users[OWNER])
            key, text = await issue_key(session, self.panel.vault, owner, MARK, [], None)
        self.headers[KEY] = {"x-api-key": text}
        return key.id


async def populate(panel: Panel) -> Population:
    """Make everybody and everything."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        made = {name: await make_user(session, funds="1000") for name in (OWNER, OTHER, SUSPENDED, BANNED)}
        made |= {name: await make_user(session, funds="100") for name in (STAFF, ADMIN, "victim")}
        (await session.get_one(User, made[OWNER])).username = MARK
        (await session.get_one(User, made[STAFF])).role = Role.STAFF
        (await session.get_one(User, made[ADMIN])).role = Role.ADMIN
        (await session.get_one(User, made[SUSPENDED])).state = AccountState.SUSPENDED
        (await session.get_one(User, made[BANNED])).state = AccountState.BANNED
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, rate="2", dripfeed=True, refill=True, cancel=True)
        goods = await make_service(session, mode="stock", rate="2", max=10)
        await add_stock(session, panel.vault, goods, [f"unit-{MARK}"], actor=Actor.cli())
        by_hand = await make_service(session, mode="manual", rate="2")
        link = f"https://www.instagram.com/{MARK}"
        order = await place(session, made[OWNER], service, now=now, link=link)
        second = await place(session, made[OWNER], service, now=now, link=f"{link}/5")
        drip = await place(session, made[OWNER], service, now=now, link=f"{link}/2", runs=5, interval=60)
        stock = await place(session, made[OWNER], goods, now=now, link=f"{link}/4", quantity=1)
        manual = await place(session, made[OWNER], by_hand, now=now, link=f"{link}/3")
        terms = MethodTerms(name="Bank", currency="USD", minimum=Decimal(1), options=BANK)
        method = await add_method(session, panel, "manual", terms, actor=Actor.cli(), secrets={})
        await enable_method(session, panel, method.id, actor=Actor.cli())
        money = Receipt(
            gateway="manual",
            method_id=method.id,
            source="webhook",
            external_id="in-review",
            amount=Decimal(7),
            currency="USD",
            also=[],
            memo=MARK,
            arrived_at=now,
            state=ReceiptState.REVIEW.value,
            reason="unmatched",
        )
        session.add(money)
        await session.flush()
    deposit = await open_deposit(panel, NewDeposit(made[OWNER], method.id, Decimal(50)))
    victim = made.pop("victim")
    people = Population(
        panel,
        made,
        {STRANGER: {}},
        service,
        order,
        second,
        drip,
        stock,
        manual,
        deposit.id,
        method.id,
        money.id,
        victim,
    )
    people.spare_session, people.spare_key = await people.sign_in(OWNER), await people.new_key()
    for name in made:
        await people.sign_in(name)
    await people.new_key()
    return people
