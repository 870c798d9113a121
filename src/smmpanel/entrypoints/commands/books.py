"""Commands about the books and the keys: proving the ledger, rotating the key ring."""

from typing import TYPE_CHECKING, Annotated

import typer

from smmpanel.entrypoints.commands.context import database, on_panel, read_settings
from smmpanel.entrypoints.commands.printing import AsJson, print_json, print_rows, waiting
from smmpanel.entrypoints.endings import CommandError, ExitCode

if TYPE_CHECKING:
    from smmpanel.entrypoints.resealing import Resealed
    from smmpanel.kernel.panel import Panel
    from smmpanel.ledger.proving import Difference, Proof

ledger_app = typer.Typer(no_args_is_help=True, help="The books.")
keys_app = typer.Typer(no_args_is_help=True, help="The keys that secrets are encrypted with.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(ledger_app, name="ledger")
    app.add_typer(keys_app, name="keys")


@ledger_app.command("verify")
def verify(*, as_json: AsJson = False) -> None:
    """Recompute every balance, the trial balance and every order's and deposit's money. Exit code 1 if anything differs."""
    from smmpanel.growth.proving_commissions import verify_commissions
    from smmpanel.growth.proving_vouchers import verify_vouchers
    from smmpanel.ledger.proving import verify as prove
    from smmpanel.orders.proving import verify_orders
    from smmpanel.payments.proving import verify_deposits

    async def check(panel: "Panel") -> "tuple[Proof, list[Difference]]":
        async with panel.db.snapshot() as session:
            proof = await prove(session)
            return proof, [
                *proof.differences,
                *await verify_orders(session),
                *await verify_deposits(session),
                *await verify_commissions(session),
                *await verify_vouchers(session),
            ]

    with waiting("Verifying the books"):
        proof, differences = on_panel(check)
    trial = [
        {"currency": line.currency, "account": line.kind, "accounts": line.accounts, "balance": line.balance}
        for line in proof.trial
    ]
    wrong = [
        {"what": one.what, "subject": one.subject, "expected": one.expected, "found": one.found} for one in differences
    ]
    if as_json:
        counts = {"transfers": proof.transfers, "accounts": proof.accounts}
        print_json({**counts, "trial": trial, "differences": wrong})
    else:
        print_rows(trial, as_json=False, empty="The books are empty.")
        if wrong:
            print_rows(wrong, as_json=False)
        else:
            typer.echo(f"{proof.transfers} transfers between {proof.accounts} accounts: the books hold.")
    if wrong:
        raise typer.Exit(ExitCode.FAILED)


@keys_app.command("rotate")
def rotate(
    *,
    reseal_only: Annotated[
        bool, typer.Option("--reseal-only", help="Make no new key: only encrypt everything anew with the newest.")
    ] = False,
) -> None:
    """Make a new key and encrypt everything anew with it. The panel must be stopped: its processes would not know the key.

    Old keys stay in the ring. The oldest is also the root of API key hashes and sign-ins: removing it by hand revokes both.
    If the ring is in SMMPANEL_SECRET_KEYS, put a new key in front there and use --reseal-only.
    """
    import asyncio

    from smmpanel.entrypoints.opening import open_panel
    from smmpanel.entrypoints.resealing import refuse_company, reseal_everything
    from smmpanel.kernel.crypto import add_key

    settings = read_settings()
    if settings.secret_keys is not None and not reseal_only:
        raise CommandError(
            ExitCode.REFUSED,
            "the keys are in SMMPANEL_SECRET_KEYS: put a new one in front there, then run this with --reseal-only",
        )

    async def run(url: str) -> "Resealed":
        async with open_panel(settings, url) as panel:
            await refuse_company(panel)
        if not reseal_only:
            add_key(settings.home)
        async with open_panel(settings, url) as panel:  # anew, so that it has the new key
            return await reseal_everything(panel)

    with database(settings) as url, waiting("Encrypting anew"):
        done = asyncio.run(run(url))
    typer.echo(
        f"Encrypted anew: {done.provider_keys} provider keys, {done.payment_methods} payment methods, {done.stock_items} units of stock,"
        f" {done.second_factors} second factors."
    )
