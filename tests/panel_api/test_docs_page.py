"""The documentation: right in every language, and its examples do what they say when they are really run."""

import ast
import asyncio
import html
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from catalog.shop import customer, visitor
from making import make_service, move
from nodejs import node
from smmpanel.catalog.change_log import bump_version
from smmpanel.orders.models import OrderStatus
from smmpanel.panel_api.app import PanelApi
from smmpanel.panel_api.calls import ACTIONS, CALLS, ERRORS, LINK
from smmpanel.panel_api.examples import PLACEHOLDER_KEY
from smmpanel.panel_api.wording import _BY_CODE, INCORRECT_ORDER, REFILL_NOT_FOUND
from smmpanel.web.key_limiting import KeyLimiter

SECONDS = 30
# What a script prints is meant for people; here it is to be read again.
PRINTS_JSON = "console.log = (it) => process.stdout.write(JSON.stringify(it));\n"
PHP_STRING = re.compile(r'"((?:[^"\\]|\\.)*)" => "((?:[^"\\]|\\.)*)",')


def programs(page: str, language: str) -> list[str]:
    """Return the examples in a language, from top to bottom."""
    found = re.findall(rf'<div class="code in-{language}">.*?<code>(.*?)</code>', page, re.DOTALL)
    return [html.unescape(one) for one in found]


async def run(*command: str) -> str:
    """Run an example and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complaint = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, complaint.decode()
    return said.decode()


async def by_curl(program: str) -> Any:
    """Run an example for a shell and return the answer."""
    return json.loads(await run("bash", "-c", f"{program} --silent --show-error"))


async def by_python(program: str) -> Any:
    """Run an example in Python and return the answer."""
    return ast.literal_eval(await run(sys.executable, "-c", program))


async def by_node(program: str) -> Any:
    """Run an example in JavaScript and return the answer."""
    found = node()
    assert found
    return json.loads(await run(found, "--input-type=module", "--eval", PRINTS_JSON + program))


RUNNERS: dict[str, tuple[Callable[[], object], Callable[[str], Any]]] = {
    "curl": (lambda: shutil.which("curl"), by_curl),
    "python": (lambda: sys.executable, by_python),
    "javascript": (node, by_node),
}
"""For each language what runs it, if it is there, and how."""


def test_everything_that_can_be_called_is_told(panel):
    known = {"add", "services", *PanelApi(panel, KeyLimiter(1, 1))._actions}

    assert {dict(call.fields)["action"] for call in CALLS} == set(ACTIONS) == known


def test_errors_are_told_word_for_word():
    told = {text for text, _ in ERRORS}

    assert {INCORRECT_ORDER, REFILL_NOT_FOUND} <= told
    assert {_BY_CODE[code] for code in ("invalid_api_key", "insufficient_funds", "key_reused", "link_in_use")} <= told


@pytest.mark.parametrize("language", ["en", "vi", "id"])
@pytest.mark.parametrize("who", ["visitor", "customer"])
async def test_the_page_names_this_panels_address(panel, who, language):
    shopper = visitor(panel) if who == "visitor" else await customer(panel, f"mai{language}")

    page = await shopper.look(f"/api-docs?lang={language}")

    assert "http://panel.example/api/v2" in page
    assert ('action="/api/v2"' in page) is (who == "customer")
    for each in ("curl", "php", "python", "javascript"):
        assert len(programs(page, each)) == len(CALLS)
    assert "smm_" not in page
    for one in ("Web Traffic", "answer_number", "Subscriptions"):
        assert one in page


async def test_all_languages_send_the_same(panel):
    page = await visitor(panel).look("/api-docs")

    for call, php, script in zip(CALLS, programs(page, "php"), programs(page, "javascript"), strict=True):
        wanted = [("key", PLACEHOLDER_KEY), *call.fields]
        assert [(name, json.loads(f'"{value}"')) for name, value in PHP_STRING.findall(php)] == wanted
        sent = re.findall(r'^    (\w+): ("(?:[^"\\]|\\.)*"),$', script, re.MULTILINE)
        assert [(name, json.loads(value)) for name, value in sent] == wanted


async def test_the_answers_have_the_shape_that_is_really_answered():
    for call in CALLS:
        assert json.loads(call.answer)


@pytest.mark.parametrize("language", sorted(RUNNERS))
async def test_examples_do_what_they_say(served, panel, reseller, call, language):
    is_there, answer_of = RUNNERS[language]
    if not is_there():
        pytest.skip(f"nothing here runs {language}")
    async with panel.db.transaction() as session:
        followers = await make_service(
            session,
            mode="manual",
            platform="instagram",
            rate="1",
            min=10,
            max=10_000,
            refill=True,
            refill_days=30,
            cancel=True,
        )
        comments = await make_service(session, mode="manual", platform="instagram", rate="5", type="custom_comments")
        await bump_version(session)
    me = await reseller()
    finished = (await call(me, "add", service=followers, link=f"{LINK}.{language}", quantity=500))["order"]
    async with panel.db.transaction() as session:
        await move(session, finished, OrderStatus.COMPLETED, now=panel.clock())
    async with httpx.AsyncClient(base_url=served.address, trust_env=False) as client:
        page = (await client.get("/api-docs")).text
    texts = iter(programs(page, language))

    async def say(numbers: Mapping[int, object] = MappingProxyType({})) -> Any:
        text = next(texts).replace(PLACEHOLDER_KEY, me.key).replace("invoice-1042", f"invoice-{language}")
        for shown, real in numbers.items():
            text = re.sub(rf'(?<=[=",]){shown}(?!\w)', str(real), text)
        return await answer_of(text)

    services = await say()
    assert {followers, comments} <= {one["service"] for one in services}
    order = await say({1: followers})
    assert (await call(me, "status", order=order["order"]))["charge"] == "1.00"
    with_comments = await say({2: comments})
    assert (await call(me, "status", order=with_comments["order"]))["charge"] == "0.01"
    assert (await say({23501: order["order"]}))["status"] == "Pending"
    several = await say({23501: order["order"], 23502: with_comments["order"]})
    assert list(several) == [str(order["order"]), str(with_comments["order"])]
    refill = (await say({23501: finished}))["refill"]
    assert refill.isdigit()
    again = await say({23501: finished, 23502: 999_999})
    assert [one["order"] for one in again] == [finished, 999_999]
    assert (await say({77: refill}))["status"] in {"Pending", "In progress"}
    statuses = await say({77: refill, 78: 999_999})
    assert statuses[1] == {"refill": 999_999, "status": {"error": REFILL_NOT_FOUND}}
    canceled = await say({23501: order["order"], 23502: 999_999})
    assert canceled == [
        {"order": order["order"], "cancel": 1},
        {"order": 999_999, "cancel": {"error": INCORRECT_ORDER}},
    ]
    assert (await say())["currency"] == "USD"
    assert next(texts, None) is None
