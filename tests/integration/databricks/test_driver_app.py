"""The driver application behind a real server: what it takes, what it refuses, and the ways to it."""

import asyncio
import json
import logging
import threading
import time

import httpx
import pytest
from driver_apps import Counting, CountingAsync, _a_door, ask, both, health, served, until

from ziggurat import LLM, MultiChain, chat
from ziggurat.databricks import Databricks, DriverApp
from ziggurat.databricks.driver_app import Bounds, serve
from ziggurat.errors import (
    EndpointRefused,
    InputError,
    WorkspaceUnavailable,
    ZigguratError,
)
from ziggurat.testing import FakeChat


class TestAnswers:
    @both
    def test_a_prompt_goes_in_and_a_json_string_comes_out(self, kind):
        with served(kind()) as port:
            answer = ask(port, {"prompt": "How are you?", "stop": ["."], "temperature": 0.5})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            assert answer.json() == "I am well"

    def test_whatever_the_content_type_as_the_notebooks_curl_sends_it(self):
        with served(Counting()) as port:
            body = json.dumps({"prompt": "Hi"})
            assert ask(port, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}).json()

    @pytest.mark.parametrize(
        ("stop", "text"),
        [(None, "I am well. And you? Fine."), ([], "I am well. And you? Fine."), (["?", ". "], "I am well"),
         (["nowhere"], "I am well. And you? Fine."), (["I"], "")],
    )  # fmt: skip
    def test_an_answer_ends_before_its_stop_texts_though_the_model_ignores_them(self, stop, text):
        model = Counting()
        with served(model) as port:
            assert ask(port, {"prompt": "Hi", "stop": stop}).json() == text
        assert model.seen == [("Hi", stop or None, {})]

    def test_numbers_reach_the_model(self):
        model = Counting()
        with served(model, max_tokens=50) as port:
            ask(port, {"prompt": "Hi", "temperature": 0, "top_p": 0.5, "max_tokens": 7})
            ask(port, {"prompt": "Hi"})
        assert [options for *_, options in model.seen] == [
            {"temperature": 0, "top_p": 0.5, "max_tokens": 7},
            {"max_tokens": 50},
        ]

    def test_any_text_comes_back_as_it_is(self):
        text = 'line\n"quoted" \\ 葡萄牙 🦉'
        with served(FakeChat(script=text)) as port:
            assert ask(port, {"prompt": text}).json() == text

    def test_its_health(self):
        with served(FakeChat(script="ok")) as port:
            ask(port, {"prompt": "Hi"})
            found = health(port)
            assert found.pop("seconds") >= 0
            assert found == {"status": "ok", "model": "ziggurat-fake", "answering": 0, "waiting": 0, "answered": 1}


class TestBounds:
    @both
    def test_no_more_calls_than_allowed_are_in_the_model(self, kind):
        model = kind(seconds=0.1)
        with served(model, concurrency=3) as port, httpx.Client(trust_env=False, timeout=20) as client:
            answers = []

            def one():
                answers.append(client.post(f"http://127.0.0.1:{port}/", json={"prompt": "Hi"}).status_code)

            threads = [threading.Thread(target=one) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert answers == [200] * 12
        assert model.most == 3

    @both
    def test_who_finds_too_many_waiting_is_sent_away_with_a_time(self, kind):
        with served(kind(seconds=0.5), concurrency=1, waiting=1) as port:
            first = [threading.Thread(target=ask, args=(port, {"prompt": "Hi"})) for _ in range(2)]
            first[0].start()
            until(lambda: health(port)["answering"] == 1)
            first[1].start()
            until(lambda: health(port)["waiting"] == 1)
            refused = ask(port, {"prompt": "Hi"})
            for thread in first:
                thread.join()
            assert ask(port, {"prompt": "Hi"}).status_code == 200
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json() == {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Too many calls are waiting."}

    @both
    def test_an_answer_that_takes_too_long_is_refused_in_time(self, kind):
        with served(kind(seconds=3), seconds=0.3) as port:
            began = time.monotonic()
            refused = ask(port, {"prompt": "Hi"})
            assert time.monotonic() - began < 2
            assert refused.status_code == 503
            assert refused.json()["message"] == "There was no answer within 0.3 s."

    def test_a_call_that_was_given_up_keeps_its_place_until_it_is_over(self):
        model = Counting(seconds=0.6)
        with served(model, concurrency=1, seconds=0.3) as port:
            assert [ask(port, {"prompt": "Hi"}).status_code for _ in range(2)] == [503, 503]
            until(lambda: health(port)["answering"] == 0)
        assert model.most == 1

    def test_a_model_that_can_be_cancelled_frees_its_place_at_once(self):
        model = CountingAsync(seconds=30)
        with served(model, concurrency=1, seconds=0.2) as port:
            assert ask(port, {"prompt": "Hi"}).status_code == 503
            assert health(port)["answering"] == 0
            model.seconds = 0
            assert ask(port, {"prompt": "Hi"}).status_code == 200

    @both
    def test_who_leaves_early_frees_the_place(self, kind):
        model = kind(seconds=0.8)
        with served(model, concurrency=1) as port:
            for _ in range(2):  # one in the model, one waiting
                with pytest.raises(httpx.ReadTimeout):
                    httpx.post(f"http://127.0.0.1:{port}/", json={"prompt": "Hi"}, timeout=0.2, trust_env=False)
            until(lambda: (health(port)["answering"], health(port)["waiting"]) == (0, 0), 2)
            model.seconds = 0
            assert ask(port, {"prompt": "Hi"}).status_code == 200
        assert model.inside == 0
        assert model.most == 1

    def test_who_waits_and_leaves_never_reaches_the_model(self):
        model = CountingAsync(seconds=0.6)
        with served(model, concurrency=1) as port:
            first = threading.Thread(target=ask, args=(port, {"prompt": "first"}))
            first.start()
            until(lambda: health(port)["answering"] == 1)
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"http://127.0.0.1:{port}/", json={"prompt": "second"}, timeout=0.1, trust_env=False)
            first.join()
            assert ask(port, {"prompt": "third"}).status_code == 200
        assert [text for text, *_ in model.seen] == ["first", "third"]

    @pytest.mark.parametrize("size", [1_200, 15_000, 200_000])
    def test_too_large_a_request(self, size):
        model = Counting()
        with served(model, body_bytes=1_000) as port:
            for content in (b"x" * size, iter([b"x" * 600] * (size // 600))):
                try:
                    refused = ask(port, content=content)
                except httpx.WriteError:  # the server had read enough
                    assert size > 16_000
                    continue
                assert refused.status_code == 413
                assert "larger than 1,000 bytes" in refused.json()["message"]
            assert ask(port, {"prompt": "x" * 900}).status_code == 200
        assert len(model.seen) == 1

    @pytest.mark.parametrize("given", [{"concurrency": 0}, {"waiting": -1}, {"seconds": 0}, {"body_bytes": 0}])
    def test_bounds_that_cannot_be(self, given):
        with pytest.raises(InputError, match="no bounds"):
            Bounds(**given)


class TestBadRequests:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (b"[" * 100_000, "not JSON"),
            (b"[]", '{"prompt": text'),
            (b'"Hi"', '{"prompt": text'),
            (b"{}", '{"prompt": text'),
            (b'{"prompt": 3}', '{"prompt": text'),
            (b'{"prompt": "x", "stop": "."}', '"stop" must be a list'),
            (b'{"prompt": "x", "stop": [""]}', '"stop" must be a list'),
            (b'{"prompt": "x", "stop": [1]}', '"stop" must be a list'),
            (b'{"prompt": "\\ud800"}', "half a character"),
            (b'{"prompt": "x", "temperature": "hot"}', '"temperature" must be a number'),
            (b'{"prompt": "x", "temperature": true}', '"temperature" must be a number'),
            (b'{"prompt": "x", "max_tokens": 51}', "from 1 to 50"),
            (b'{"prompt": "x", "max_tokens": 0}', "from 1 to 50"),
            (b'{"prompt": "x", "max_tokens": 1.5}', "from 1 to 50"),
            (b'{"prompt": "x", "max_tokens": null}', '"max_tokens" must be a number'),
            (b'{"prompt": "x", "temprature": 1}', "did you mean 'temperature'"),
            (b'{"prompt": "x", "config": {"callbacks": []}}', "no 'config'"),
            (b'{"prompt": "x", "input": "y"}', "no 'input'"),
            (b'{"prompt": "x", "extra_headers": {}}', "no 'extra_headers'"),
        ],
    )
    def test_what_does_not_fit_is_said_and_reaches_no_model(self, body, said):
        model = Counting()
        with served(model, max_tokens=50) as port:
            refused = ask(port, content=body)
            assert refused.status_code == 400
            assert refused.json()["error_code"] == "INVALID_PARAMETER_VALUE"
            assert said in refused.json()["message"]
        assert model.seen == []

    def test_other_methods_and_paths(self):
        with served(Counting()) as port:
            assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 405
            assert httpx.post(f"http://127.0.0.1:{port}/x", trust_env=False).status_code == 404


class TestModelsThatFail:
    @both
    def test_a_models_own_error_is_logged_and_not_told(self, kind, caplog):
        model = kind(raised=RuntimeError("bad key sk-live-123 of dapi0123456789abcdef"))
        with caplog.at_level(logging.WARNING, "ziggurat"), served(model) as port:
            failed = ask(port, {"prompt": "Hi"})
        assert failed.status_code == 500
        assert failed.json()["error_code"] == "INTERNAL_ERROR"
        assert "RuntimeError" in failed.text
        for hidden in ("sk-live", "dapi", "Traceback", ".py"):
            assert hidden not in failed.text
        assert "bad key" in caplog.text
        assert "dapi0123" not in caplog.text

    @both
    @pytest.mark.parametrize(
        ("error", "status", "code", "wait"),
        [
            (InputError("The prompt is empty."), 400, "BAD_REQUEST", None),
            (ZigguratError("The model is broken."), 500, "INTERNAL_ERROR", None),
            (WorkspaceUnavailable("Too busy.", status_code=429, retry_after_secs=2.5), 503, "TEMPORARILY_UNAVAILABLE", "3"),
            (TimeoutError("the model's own"), 500, "INTERNAL_ERROR", None),
            (StopIteration("odd"), 500, "INTERNAL_ERROR", None),
        ],
    )  # fmt: skip
    def test_each_kind_of_error_has_its_status(self, kind, error, status, code, wait):
        with served(kind(raised=error)) as port:
            failed = ask(port, {"prompt": "Hi"})
        assert (failed.status_code, failed.json()["error_code"]) == (status, code)
        assert failed.headers.get("retry-after") == wait
        if isinstance(error, ZigguratError):
            assert failed.json()["message"] == error.what

    def test_it_goes_on_after_an_error(self):
        model = Counting(raised=ValueError("once"))
        with served(model, concurrency=1) as port:
            assert ask(port, {"prompt": "Hi"}).status_code == 500
            model.raised = None
            assert ask(port, {"prompt": "Hi"}).status_code == 200

    def test_a_port_that_is_taken_is_said(self):
        with served(Counting()) as port, pytest.raises(ZigguratError, match="Nothing can listen there"):
            serve(DriverApp(Counting()), host="127.0.0.1", port=port)


@pytest.fixture
def on_the_driver(monkeypatch):
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    monkeypatch.delenv("DB_IS_DRIVER", raising=False)


class TestNextDoor:
    def test_the_class_finds_the_application(self, on_the_driver):
        model = Counting()
        with served(model) as port:
            llm = Databricks(cluster_driver_port=str(port), model_kwargs={"temperature": 0.1}, stop=["?"])
            assert llm.invoke("How are you?") == "I am well. And you"
            assert llm("How are you?", stop=["."]) == "I am well"
            assert asyncio.run(llm.ainvoke("How are you?", stop=["."])) == "I am well"
        assert model.seen[0] == ("How are you?", ["?"], {"temperature": 0.1})

    def test_both_transforms(self, on_the_driver):
        with served(FakeChat(script={"Be concise": "yes"})) as port:
            llm = Databricks(
                cluster_driver_port=port,
                transform_input_fn=lambda **request: {"prompt": request["prompt"] + " Be concise."},
                transform_output_fn=str.upper,
            )
            assert llm.invoke("Hi.") == "YES"

    def test_a_spec_in_a_chain(self, on_the_driver):
        with served(Counting()) as port:
            chain = MultiChain(answer=LLM("{question}", f"databricks-driver:local/{port}"))
            assert chain.run(question="How are you?")["answer"] == "I am well. And you? Fine."

    def test_a_conversation_says_who_said_what(self, on_the_driver):
        model = Counting()
        with served(model) as port:
            chat(f"databricks-driver:local/{port}").invoke([("system", "Be kind."), ("human", "Hi")])
        assert model.seen[0][0] == "System: Be kind.\nUser: Hi\nAssistant:"

    def test_nobody_listens(self, on_the_driver):
        door = _a_door()
        port = door.getsockname()[1]
        door.close()
        began = time.monotonic()
        with pytest.raises(WorkspaceUnavailable, match="No application listens on that port"):
            Databricks(cluster_driver_port=port).invoke("Hi")
        assert time.monotonic() - began < 5

    def test_what_it_refuses_is_said(self, on_the_driver):
        with served(Counting(), max_tokens=5) as port, pytest.raises(EndpointRefused, match="from 1 to 5"):
            Databricks(cluster_driver_port=port, max_tokens=6).invoke("Hi")

    def test_who_is_sent_away_comes_again(self, on_the_driver):
        model = CountingAsync(seconds=0.3)
        with served(model, concurrency=1, waiting=0) as port:
            llm = Databricks(cluster_driver_port=port)

            async def ask_twice():
                return await asyncio.gather(llm.ainvoke("Hi"), llm.ainvoke("Hi"))

            assert asyncio.run(ask_twice()) == [model.answer] * 2
        assert model.most == 1
