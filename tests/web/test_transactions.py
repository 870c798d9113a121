"""The request's transaction is committed before the answer leaves, or not at all."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, text

import smmpanel
from smmpanel.kernel.errors import ConflictError
from smmpanel.kernel.options import PanelOption, write_option
from smmpanel.web.assembling import install_web
from smmpanel.web.transactions import Session


@pytest.fixture
async def client(panel):
    app = FastAPI()
    install_web(app, replace(panel))

    @app.post("/api/write")
    async def write(session: Session) -> str:
        await write_option(session, "colour", "blue")
        return "written"

    @app.post("/api/fail")
    async def fail(session: Session) -> str:
        await write_option(session, "colour", "red")
        raise ConflictError

    @app.post("/api/fail-at-commit")
    async def fail_at_commit(session: Session) -> str:
        await session.execute(text("CREATE TABLE one (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)"))
        await session.execute(text("INSERT INTO one VALUES (1), (1)"))
        return "written"

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as made:
        yield made


async def colour(panel):
    async with panel.db.transaction() as session:
        return await session.scalar(select(PanelOption.value).where(PanelOption.name == "colour"))


async def test_what_was_written_is_there_when_the_answer_is(client, panel):
    assert (await client.post("/api/write")).status_code == 200
    assert await colour(panel) == "blue"


async def test_an_error_leaves_nothing(client, panel):
    assert (await client.post("/api/fail")).status_code == 409
    assert await colour(panel) is None


async def test_a_commit_that_fails_is_not_answered_as_done(client, panel):
    assert (await client.post("/api/fail-at-commit")).status_code == 500


def test_nobody_depends_on_the_transaction_in_another_way():
    package = Path(smmpanel.__file__).parent
    users = {
        str(path.relative_to(package))
        for path in package.glob("**/*.py")
        if "Depends(open_transaction" in path.read_text("utf-8")
    }

    assert users == {"web/transactions.py"}
