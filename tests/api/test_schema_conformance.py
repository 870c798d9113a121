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
OF_THE_OWNER = {"order_id", "deposit_id", "reference"}
"""Names in paths of what has an owner."""


def calls():
    """Return generated calls of all operations, each with whether it is meant to fit; the same ones every time."""
    schema = schemathesis.openapi.from_dict(routed_app().openapi())
    found = []
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode, count in ((GenerationMode.POSITIVE, GOOD), (GenerationMode.NEGATIVE, BAD)):
            found += [(case, mode) for case in cases_of(operation, mode, count)]
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
        "receipt_id": str(people.receipt),
        # There are none of these.
        "return_id": "1",
        "confirmation_id": "1",
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


def faults_of_telling(case, mode, answer, ids):
    """Return what is wrong with an answer to somebody who names what is the owner's."""
    where = f"{case.operation.method.upper()} {case.operation.path}: {answer.status_code} {answer.text[:200]}"
    found = [f"tells of the owner: {where}"] if MARK in answer.text else []
    if OF_THE_OWNER & ids.keys():
        fits = mode is GenerationMode.POSITIVE and case.operation.method.upper() == "GET"
        refusing = {403, 404} if fits else {400, 401, 403, 404, 413, 422}
        if answer.status_code not in refusing:
            found.append(f"does not say that there is none: {where}")
    return found


@pytest.mark.slow
async def test_every_answer_is_as_described_and_nothing_is_told_of_another(people, http):
    # One test, since making the calls takes as long as sending them.
    wrong, sent, statuses = [], 0, set()
    for case, mode in calls():
        own = own_ids(people, case.operation)
        for who in (STRANGER, OWNER, OTHER, ADMIN):
            headers, ids = (None, None) if who == STRANGER else (people.headers[who], own)
            answer = await send(http, case, headers, ids)
            sent, statuses = sent + 1, statuses | {answer.status_code}
            wrong += faults_of(case, answer, who)
            if who == OTHER:
                wrong += faults_of_telling(case, mode, answer, own)
            if answer.status_code == 401 and who != STRANGER:
                await people.sign_in(who)
    assert not wrong, f"{len(wrong)} of {sent}\n" + "\n".join(dict.fromkeys(wrong))
    assert {200, 201, 401, 403, 404, 409, 422} <= statuses
