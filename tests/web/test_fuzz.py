"""Whatever is sent, the answer is never that something broke."""

import json

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from(["csrf_token", "login", "password", "next", "x"]), st.text(max_size=40), max_size=5
    ),
    header=st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40),
    query=st.binary(max_size=30),
)
async def test_nothing_typed_into_the_form_breaks_the_page(app_for, ask, fields, header, query):
    body = httpx.QueryParams(fields).__str__().encode()
    headers = [
        (name, header.encode("latin-1"))
        for name in (b"cookie", b"accept-language", b"origin", b"user-agent", b"x-forwarded-for", b"authorization")
    ]
    headers.append((b"content-type", b"application/x-www-form-urlencoded"))
    app = app_for()

    for path in (b"/sign-in", b"/sign-out", b"/"):
        assert await ask(app, path, query=query, headers=headers, body=[body], method="POST") < 500
        assert await ask(app, path, query=query, headers=headers) < 500


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
async def test_any_json_is_answered(app_for, ask, value):
    body = json.dumps({"name": value}).encode()

    assert (
        await ask(
            app_for(), b"/api/things", headers=[(b"content-type", b"application/json")], body=[body], method="POST"
        )
        < 500
    )
