"""What a service says when it refuses: read from any client's error, and never a reason to fail."""

from __future__ import annotations

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.refusals import retry_after, status_of

NOW = "Wed, 21 Oct 2015 07:28:00 GMT"
LATER = "Wed, 21 Oct 2015 07:28:45 GMT"


def http(status=429, **headers):
    request = httpx.Request("POST", "http://127.0.0.1/")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, headers=named, request=request))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "20"}, 20),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500", "retry_after": "2"}, 1.5),
        ({"retry_after": LATER, "date": NOW}, 45),
        ({"retry_after": NOW, "date": LATER}, 0),
        ({"retry_after": NOW}, 0),
        ({"retry_after": "-3"}, 0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": LATER, "date": "yesterday"}, None),
        ({}, None),
    ],
)
def test_seconds_milliseconds_and_dates_are_read(headers, seconds):
    assert retry_after(http(**headers)) == seconds


def test_an_error_of_openais_client_and_its_cause_are_read():
    refused = http(retry_after="7")
    error = openai.RateLimitError("no", response=refused.response, body=None)
    assert (retry_after(error), status_of(error)) == (7, 429)
    try:
        try:
            raise error
        except openai.RateLimitError as cause:
            raise ValueError("a wrapper") from cause
    except ValueError as wrapped:
        assert (retry_after(wrapped), status_of(wrapped)) == (7, 429)


def test_botocores_mapping_and_the_databricks_seconds_are_read():
    boto = RuntimeError("ThrottlingException")
    boto.response = {"ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": {"Retry-After": "3"}}}
    assert (retry_after(boto), status_of(boto)) == (3, 429)
    sdk = RuntimeError("TooManyRequests")
    sdk.retry_after_secs = 11
    assert (retry_after(sdk), status_of(sdk)) == (11, None)


def test_causes_in_a_circle_end():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert retry_after(one) is None
    assert status_of(one) is None


@given(st.text() | st.floats() | st.integers() | st.none() | st.binary(), st.text() | st.none())
def test_whatever_an_error_carries_reading_it_never_fails(value, date):
    error = RuntimeError("no")
    error.response = type("Response", (), {"headers": {"retry-after": value, "date": date}, "status_code": value})()
    seconds = retry_after(error)
    assert seconds is None or seconds >= 0
    for odd in (value, {"ResponseMetadata": value}, {"ResponseMetadata": {"HTTPHeaders": value}}):
        error.response = odd
        retry_after(error)
        status_of(error)
