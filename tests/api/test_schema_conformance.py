"""Generated calls of every operation: nothing breaks, every answer is as described, nobody reads what is another's."""

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from api.population import ADMIN, MARK, OTHER, OWNER, STRANGER, populate
from smmpanel.entrypoints.web import routed_app

load_all_checks()
ASKED = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
GOOD, BAD = 3, 2
"""Calls that fit the description, and calls that do not, for each operation."""
AUTHORISING = {"authorization", "x-api-key", "cookie"}
OF_THE_OWNER = {"order_id": "order", "deposit_id": "deposit", "reference": "order"}
"""Names in paths of what has an owner."""


@pytest.fixture(scope="module")
def calls():
    """All generated calls with their operations; the same ones every time."""
    schema = schemathesis.openapi.from_dict(routed_app().openapi())
    found = []
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode, count in ((GenerationMode.POSITIVE, GOOD), (GenerationMode.NEGATIVE, BAD)):
            found += [(operation, case) for case in cases_of(operation, mode, count)]
    return found


def cases_of(operation, mode, count):
    found = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def collect(case):
        found.append(case)

    collect()
    return found[:count]


@pytest.fixture
async def people(panel):
    return await populate(panel)


def own_ids(people, operation):
    """Return what a path names of the owner's; staff's deeds are done to somebody who may be banned."""
    ids = people.panel.public_ids
    known = {
        "order_id": ids.uuid_of("order", people.order),
        "reference": ids.reference_of("order", people.order),
        "deposit_id": ids.uuid_of("deposit", people.deposit),
        "user_id": ids.uuid_of("user", people.victim),
        "service_id": str(people.service),
        "session_id": str(people.spare_session),
        "key_id": str(people.spare_key),
        "gateway": "manual",
    }
    return {name: value for name, value in known.items() if f"{{{name}}}" in operation.path}


async def send(http, case, headers, ids=None):
    """Send a generated call as somebody; `headers` of `None` leaves the generated ones, whatever they are."""
    sent = case.as_transport_kwargs(base_url="http://panel.example")
    url = sent["url"]
    if ids:
        url = "http://panel.example" + case.operation.path.format(**ids)
    kept = {
        name: value for name, value in sent["headers"].items() if headers is None or name.lower() not in AUTHORISING
    }
    whole = [(name.encode("utf-8"), str(value).encode("utf-8")) for name, value in {**kept, **(headers or {})}.items()]
    body = (
        {"json": sent["json"]}
        if "json" in sent
        else {"content": sent["data"]}
        if isinstance(sent.get("data"), bytes)
        else {}
    )
    return await http.request(sent["method"], url, params=sent.get("params"), headers=whole, **body)


def faults_of(case, answer, who):
    """Return what is wrong with an answer."""
    where = f"{case.operation.method.upper()} {case.operation.path} for the {who}"
    try:
        case.validate_response(answer, checks=ASKED)
    except FailureGroup as group:
        return [
            f"{where}: {failure}\n  {answer.request.url} {answer.request.content[:300]!r}"
            for failure in group.exceptions
        ]
    # A panel that says it is not well, where it is asked how it is, has not failed.
    if answer.status_code >= 500 and operation_of(case) != "get_health":
        return [f"{where}: {answer.status_code}"]
    return []


def operation_of(case):
    return case.operation.definition.raw["operationId"]


async def test_every_answer_is_as_described(people, http, calls):
    wrong = []
    for operation, case in calls:
        for who in (STRANGER, OWNER, ADMIN):
            headers = None if who == STRANGER else people.headers[who]
            ids = None if who == STRANGER else own_ids(people, operation)
            answer = await send(http, case, headers, ids)
            wrong += faults_of(case, answer, who)
            if answer.status_code == 401 and who != STRANGER:
                await people.sign_in(who)
    assert not wrong, f"{len(wrong)}\n" + "\n".join(dict.fromkeys(wrong))


async def test_nothing_of_another_customer_is_told_or_changed(people, http, calls):
    wrong = []
    for operation, case in calls:
        ids = own_ids(people, operation)
        answer = await send(http, case, people.headers[OTHER], ids)
        wrong += faults_of(case, answer, OTHER)
        where = f"{operation.method.upper()} {operation.path}: {answer.status_code} {answer.text[:200]}"
        if MARK in answer.text:
            wrong.append(f"tells of the owner: {where}")
        if OF_THE_OWNER.keys() & ids.keys() and not {400, 401, 403, 404, 413, 422} & {answer.status_code}:
            wrong.append(f"does not say that there is none: {where}")
        if answer.status_code == 401:
            await people.sign_in(OTHER)
    assert not wrong, "\n".join(wrong)
