import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from local_workspace import CHAT, HELLO, recorded, signed_in

from ziggurat.databricks.local.call import Refusal
from ziggurat.databricks.local.faults import Faults, Luck
from ziggurat.errors import InputError

PATH = f"/serving-endpoints/{CHAT}/invocations"


def ask(client, **more):
    return client.post(PATH, json={**HELLO, **more})


def raw_answer(local, stream):
    """The bytes of an answer as they come on the socket, until the server closes it."""
    body = b'{"messages": [{"role": "user", "content": "Hello"}]' + (b', "stream": true}' if stream else b"}")
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {local.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(local.url).port), timeout=5) as wire:
        wire.sendall(head.encode() + body)
        received = b""
        while piece := wire.recv(65536):
            received += piece
    return received


def test_without_faults_every_call_is_answered_and_counted():
    with signed_in() as (local, client):
        assert [ask(client).status_code for _ in range(5)] == [200] * 5
        assert len(recorded(local, 5)) == 5
        assert local.workspace.record.completed(PATH) == 5


@pytest.mark.parametrize(("fault", "status"), [({"refuse": 1.0}, 429), ({"unavailable": 1.0}, 503)])
def test_a_refused_call_says_when_to_come_back_and_is_not_counted(fault, status):
    with signed_in(faults=Faults(**fault, retry_after=7)) as (local, client):
        answer = ask(client)
        assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
        assert answer.json()["error_code"] in ("REQUEST_LIMIT_EXCEEDED", "TEMPORARILY_UNAVAILABLE")
        assert local.workspace.record.completed() == 0
        assert client.get("/api/2.0/serving-endpoints").status_code == 200  # only calls of models are metered


def test_a_stream_is_cut_on_the_wire_without_its_end():
    with signed_in(script="word " * 30, faults=Faults(cut=1.0, seed=3)) as (local, _):
        received = raw_answer(local, stream=True)
        assert received.startswith(b"HTTP/1.1 200")
        assert b"transfer-encoding: chunked" in received.lower()
        assert b"data: {" in received
        assert b"[DONE]" not in received
        assert not received.endswith(b"0\r\n\r\n")
        (entry,) = recorded(local, 1)
        assert (entry.status, entry.completed) == (200, False)
        assert local.workspace.record.completed() == 0


def test_a_whole_answer_is_cut_in_its_middle():
    with signed_in(faults=Faults(cut=1.0)) as (local, _):
        received = raw_answer(local, stream=False)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert 0 < len(body) < length
        assert not recorded(local, 1)[0].completed


def test_a_short_stream_is_cut_too():
    with signed_in(script="Hi", faults=Faults(cut=1.0, seed=0)) as (local, client):
        for _ in range(8):
            with pytest.raises(httpx.RemoteProtocolError):
                ask(client, stream=True)
        assert len(recorded(local, 8)) == 8
        assert local.workspace.record.completed() == 0


def test_a_stream_that_is_cut_has_never_said_that_it_is_done():
    with signed_in(script="Hi", faults=Faults(cut=1.0, seed=6)) as (local, _):
        assert not any(b"[DONE]" in raw_answer(local, stream=True) for _ in range(12))


def test_a_stall_is_silence_and_then_the_answer():
    with signed_in(faults=Faults(stall=(1.0, 0.3))) as (local, client):
        began = time.monotonic()
        assert ask(client, stream=True).text.rstrip().endswith("[DONE]")
        assert time.monotonic() - began >= 0.3
        assert len(recorded(local, 1)) == 1
        assert local.workspace.record.completed() == 1


def test_faults_are_set_and_read_while_it_runs():
    with signed_in() as (_, client):
        told = client.put("/_local/faults", json={"refuse": 1, "stall": [0.5, 2], "seed": 1}).json()
        assert told == client.get("/_local/faults").json()
        assert (told["refuse"], told["stall"], told["cut"]) == (1, [0.5, 2.0], 0.0)
        assert ask(client).status_code == 429
        client.put("/_local/faults", json={})
        assert ask(client).status_code == 200


@pytest.mark.parametrize(
    "body", [{"refuse": 2}, {"refuse": 0.6, "cut": 0.6}, {"explode": 1}, {"stall": 3}, {"cut": "x"}]
)
def test_faults_that_cannot_be_are_refused_and_change_nothing(body):
    with signed_in() as (_, client):
        assert client.put("/_local/faults", json=body).status_code == 400
        assert ask(client).status_code == 200


def test_the_controls_need_the_token():
    with signed_in() as (_, client):
        client.headers.pop("Authorization")
        assert client.put("/_local/faults", json={"refuse": 1}).status_code == 401
        assert client.get("/_local/record").status_code == 401


def test_the_record_counts_by_route_and_begins_anew():
    with signed_in() as (_, client):
        ask(client)
        ask(client, messages=[])
        told = client.get("/_local/record").json()
        (route,) = [one for one in told["routes"] if one["route"] == "/serving-endpoints/{name}/invocations"]
        assert route["statuses"] == {"200": 1, "400": 1}
        assert (route["metered"], told["completed"]) == (True, 1)
        client.delete("/_local/record")
        assert client.get("/_local/record").json()["completed"] == 0


def test_the_same_seed_brings_the_same_luck():
    faults = Faults(refuse=0.2, unavailable=0.2, cut=0.2, stall=(0.2, 1.0), seed=11)
    one, other = Luck(faults), Luck(faults)
    assert [one.draw() for _ in range(200)] == [other.draw() for _ in range(200)]


def test_luck_keeps_its_shares():
    luck = Luck(Faults(refuse=0.1, unavailable=0.05, cut=0.05, seed=2))
    drawn = [luck.draw() for _ in range(20_000)]
    assert sum(fate.status == 429 for fate in drawn) / len(drawn) == pytest.approx(0.1, abs=0.01)
    assert sum(fate.status == 503 for fate in drawn) / len(drawn) == pytest.approx(0.05, abs=0.01)
    assert sum(fate.cut_after is not None for fate in drawn) / len(drawn) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("given", [{"refuse": -0.1}, {"cut": 1.1}, {"stall": (0.1, -1.0)}, {"retry_after": -1}])
def test_shares_that_are_none_are_refused(given):
    with pytest.raises(InputError):
        Faults(**given)


def test_a_fault_that_does_not_exist_is_named():
    with pytest.raises(Refusal, match="explode"):
        Faults.read({"explode": 1})


def test_a_storm_of_calls_is_answered_or_clearly_failed_and_the_bill_is_what_clients_got():
    faults = Faults(refuse=0.1, unavailable=0.05, cut=0.05, stall=(0.02, 0.05), seed=5)
    with signed_in(faults=faults) as (local, client):
        ends, lock = Counter(), threading.Lock()

        def one(number):
            try:
                answer = ask(client, stream=bool(number % 2))
                end = "answered" if answer.status_code == 200 else str(answer.status_code)
            except httpx.RemoteProtocolError:
                end = "cut"
            with lock:
                ends[end] += 1

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one, range(400)))
        assert ends.total() == 400
        assert len(recorded(local, 400)) == 400
        assert ends["answered"] == local.workspace.record.completed(PATH)
        assert set(ends) == {"answered", "429", "503", "cut"}
