"""Commands about people: admins, users, their money and their API keys."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from smmpanel.entrypoints.commands.context import on_panel
from smmpanel.entrypoints.commands.printing import After, AsJson, Limit, print_fields, print_more, print_rows
from smmpanel.entrypoints.endings import CommandError, ExitCode

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from smmpanel.accounts.models import ApiKey, User
    from smmpanel.kernel.panel import Panel

Name = Annotated[str, typer.Argument(metavar="USER", help="A user name or an e-mail address.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
Email = Annotated[str, typer.Option("--email", help="E-mail address; nothing is sent there now.")]
PasswordFromInput = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input; else one is made and printed once."),
]
GENERATED_LENGTH = 20

admin_app = typer.Typer(no_args_is_help=True, help="The people who run the panel.")
user_app = typer.Typer(no_args_is_help=True, help="Customers and staff.")
key_app = typer.Typer(no_args_is_help=True, help="Keys for the reseller API.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(admin_app, name="admin")
    app.add_typer(user_app, name="user")
    app.add_typer(key_app, name="api-key")
    # An amount may be negative: what begins with a dash is not always an option.
    app.command("credit", context_settings={"ignore_unknown_options": True})(credit)


@admin_app.command("create")
def create_admin(
    username: Annotated[str, typer.Argument()],
    email: Email,
    role: Annotated[str, typer.Option(help="staff, admin or master_admin.")] = "admin",
    *,
    password_stdin: PasswordFromInput = False,
    as_json: AsJson = False,
) -> None:
    """Make an account of somebody who runs the panel."""
    from smmpanel.accounts.access import Actor
    from smmpanel.accounts.admins import create_admin as create
    from smmpanel.accounts.passwords import check_password_rules
    from smmpanel.accounts.states import Role

    if role not in {Role.STAFF, Role.ADMIN, Role.MASTER_ADMIN}:
        raise CommandError(ExitCode.USAGE, "--role is one of staff, admin, master_admin")
    password, is_generated = _password(password_stdin)
    check_password_rules(password)

    async def make(panel: "Panel") -> "User":
        async with panel.db.transaction() as session:
            return await create(
                session, Actor.cli(), username=username, email=email, password=password, role=Role(role)
            )

    _print_new_user(on_panel(make), password if is_generated else None, as_json=as_json)


@user_app.command("create")
def create_user(
    username: Annotated[str, typer.Argument()],
    email: Email,
    *,
    password_stdin: PasswordFromInput = False,
    as_json: AsJson = False,
) -> None:
    """Make a customer's account."""
    from smmpanel.accounts.signing_up import register as sign_up

    password, is_generated = _password(password_stdin)

    async def make(panel: "Panel") -> "User":
        async with panel.db.transaction() as session:
            return await sign_up(session, username=username, email=email, password=password)

    _print_new_user(on_panel(make), password if is_generated else None, as_json=as_json)


@user_app.command("list")
def list_users(
    role: Annotated[str | None, typer.Option(help="customer, staff, admin or master_admin.")] = None,
    state: Annotated[str | None, typer.Option(help="active, suspended or banned.")] = None,
    limit: Limit = 50,
    after: After = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List users, oldest first."""
    from smmpanel.accounts.finding import list_users as find
    from smmpanel.accounts.states import AccountState, Role
    from smmpanel.ledger import balance_of

    try:
        wanted = Role(role) if role else None, AccountState(state) if state else None
    except ValueError as wrong:
        raise CommandError(ExitCode.USAGE, str(wrong)) from None

    async def read(panel: "Panel") -> tuple[list[dict[str, Any]], str | None]:
        async with panel.db.transaction() as session:
            found = await find(session, role=wanted[0], state=wanted[1], after=after, size=limit)
            rows = []
            for user in found.rows:
                balance = await balance_of(session, user.id, panel.currency)
                rows.append({**_user(user), "balance": balance.amount, "currency": balance.currency})
            return rows, found.after

    rows, further = on_panel(read)
    print_rows(rows, as_json=as_json, empty="No users.")
    print_more(further)


@user_app.command("suspend")
def suspend(name: Name, reason: Reason) -> None:
    """Stop an account until further notice: sessions end, API keys are refused."""
    _move("suspend_user", name, reason)


@user_app.command("ban")
def ban(name: Name, reason: Reason) -> None:
    """Shut an account out: sessions end, API keys are refused."""
    _move("ban_user", name, reason)


@user_app.command("reactivate")
def reactivate(name: Name, reason: Reason) -> None:
    """Let a suspended or banned account back in."""
    _move("reactivate_user", name, reason)


@user_app.command("reset-second-factor")
def reset_second_factor(name: Name) -> None:
    """Take somebody's second factor and passkeys away, because they lost them. They are signed out everywhere."""
    from smmpanel.accounts.access import Actor
    from smmpanel.accounts.ending_access import reset_proofs
    from smmpanel.accounts.finding import user_named

    async def reset(panel: "Panel") -> str:
        async with panel.db.transaction() as session:
            user = await user_named(session, name)
            await reset_proofs(session, Actor.cli(), user.id, now=panel.clock())
            return user.username

    typer.echo(f"{on_panel(reset)} signs in with the password alone now.")


@admin_app.command("open-door")
def open_door() -> None:
    """Open the back office to all staff again: from every network, with or without a second factor."""
    from smmpanel.accounts.access import Actor
    from smmpanel.accounts.staff_door import DoorRules, change_door

    async def change(panel: "Panel") -> bool:
        async with panel.db.transaction() as session:
            return await change_door(session, Actor.cli(), DoorRules())

    typer.echo("The back office is open again." if on_panel(change) else "Nothing was asked of staff.")


def credit(
    name: Name,
    amount: Annotated[str, typer.Argument(help="In the panel's currency; negative to take away.")],
    reason: Reason,
    key: Annotated[str | None, typer.Option(help="A name for this movement: the same one is never done twice.")] = None,
    *,
    kind: Annotated[
        Literal["adjustment", "payment", "gift", "correction"],
        typer.Option(help="What the statement calls it; a gift does not count as paid in."),
    ] = "adjustment",
    as_json: AsJson = False,
) -> None:
    """Put money into a user's wallet, or take it out. It is written to the ledger and to the audit log."""
    from smmpanel.accounts.access import Actor
    from smmpanel.accounts.finding import user_named
    from smmpanel.kernel.ids import random_text
    from smmpanel.kernel.money import Money, parse_amount
    from smmpanel.ledger import AdjustmentKind, adjust_by_staff, balance_of

    change = parse_amount(amount)
    given = key or f"cli:{random_text(16)}"

    async def book(panel: "Panel") -> dict[str, Any]:
        async with panel.db.transaction() as session:
            user = await user_named(session, name)
            money = Money(change, panel.currency)
            is_done = await adjust_by_staff(
                session, Actor.cli(), user.id, money, reason=reason, key=given, kind=AdjustmentKind(kind)
            )
            balance = await balance_of(session, user.id, panel.currency)
            return {
                "user": user.username,
                "changed_by": change if is_done else change - change,
                "balance": balance.amount,
                "currency": balance.currency,
                "key": given,
                "was_done_before": not is_done,
            }

    print_fields(on_panel(book), as_json=as_json)


@key_app.command("create")
def create_key(
    name: Name,
    label: Annotated[str, typer.Option("--name", help="What the key is called.")] = "default",
    ip: Annotated[
        list[str] | None, typer.Option("--ip", help="An address or network it may be used from; repeatable.")
    ] = None,
    daily_cap: Annotated[str | None, typer.Option("--daily-cap", help="The most it may spend in a day.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make an API key. It is printed once: only its hash is kept."""
    from smmpanel.accounts.access import Actor
    from smmpanel.accounts.api_keys import issue_key
    from smmpanel.accounts.finding import user_named
    from smmpanel.kernel.money import parse_amount

    cap = parse_amount(daily_cap, field="daily_cap") if daily_cap is not None else None

    async def make(panel: "Panel") -> "tuple[ApiKey, str]":
        async with panel.db.transaction() as session:
            user = await user_named(session, name)
            return await issue_key(session, panel.vault, user, label, ip or (), cap, actor=Actor.cli())

    key, text = on_panel(make)
    if as_json:
        print_fields({**_key(key), "key": text}, as_json=True)
        return
    typer.echo(text)
    typer.echo("Keep it: it cannot be shown again.", err=True)


@key_app.command("list")
def list_keys(
    name: Name,
    *,
    revoked: Annotated[bool, typer.Option("--revoked", help="Also those that were revoked.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a user's API keys."""
    from smmpanel.accounts.api_keys import list_keys as find
    from smmpanel.accounts.finding import user_named

    async def read(panel: "Panel") -> list[dict[str, Any]]:
        async with panel.db.transaction() as session:
            user = await user_named(session, name)
            return [_key(key) for key in await find(session, user.id, with_revoked=revoked)]

    print_rows(on_panel(read), as_json=as_json, empty="No API keys.")


@key_app.command("revoke")
def revoke_key(key_id: Annotated[int, typer.Argument(help="The key's id, as `api-key list` shows it.")]) -> None:
    """End an API key for good, at once."""
    from smmpanel.accounts.access import Actor
    from smmpanel.accounts.api_keys import revoke_key as revoke

    async def end(panel: "Panel") -> None:
        async with panel.db.transaction() as session:
            await revoke(session, await _owner(session, key_id), key_id, now=panel.clock(), actor=Actor.cli())

    on_panel(end)
    typer.echo(f"API key {key_id} is revoked.")


async def _owner(session: "AsyncSession", key_id: int) -> int:
    from smmpanel.accounts.models import ApiKey

    key = await session.get(ApiKey, key_id)
    if key is None:
        raise CommandError(ExitCode.NOT_FOUND, f"there is no API key {key_id}")
    return key.user_id


def _move(verb: str, name: str, reason: str) -> None:
    from smmpanel.accounts import suspending
    from smmpanel.accounts.access import Actor
    from smmpanel.accounts.finding import user_named

    async def move(panel: "Panel") -> "User":
        async with panel.db.transaction() as session:
            user = await user_named(session, name)
            moved: User = await getattr(suspending, verb)(
                session, Actor.cli(), user.id, reason=reason, now=panel.clock()
            )
            return moved

    user = on_panel(move)
    typer.echo(f"{user.username} is {user.state.value}.")


def _password(from_input: bool) -> tuple[str, bool]:  # noqa: FBT001 - the flag as it was given
    from smmpanel.kernel.ids import random_text

    if not from_input:
        return random_text(GENERATED_LENGTH), True
    return sys.stdin.readline().rstrip("\r\n"), False


def _print_new_user(user: "User", password: str | None, *, as_json: bool) -> None:
    shown = _user(user) | ({} if password is None else {"password": password})
    print_fields(shown, as_json=as_json)
    if password is not None and not as_json:
        typer.echo("The password is shown this once.", err=True)


def _user(user: "User") -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "role": user.role.value,
        "state": user.state.value,
        "created_at": user.created_at,
    }


def _key(key: "ApiKey") -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "ip_list": key.ip_list,
        "daily_spend_cap": key.daily_spend_cap,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
