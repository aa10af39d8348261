"""A run as a trace: which spans there are, what is inside what, and what each tells."""

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from ziggurat import ChainError, MultiChain, Retry, given, ref, stage, value
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.telemetry import OpenTelemetry
from ziggurat.testing import FakeChat


def current():
    return trace.get_current_span().name


def test_a_run_is_a_workflow_with_a_span_for_each_stage(collected):
    chain = MultiChain(a=lambda x: x, b=lambda a: a).using(observers=[collected.observer()], run_id="r1")
    chain.run(x=1)
    assert collected.tree() == {"a": {}, "b": {}}
    assert collected.root.attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert {span.attributes["ziggurat.run"] for span in collected.spans} == {"r1"}
    assert collected.root.attributes["ziggurat.run.outcome"] == "done"
    assert collected.at("b").attributes["ziggurat.stage"] == "b"
    assert collected.at("b").attributes["ziggurat.stage.outcome"] == "done"
    assert collected.root.parent is None
    assert collected.root.start_time <= collected.at("a").start_time
    assert collected.at("b").end_time <= collected.root.end_time


def test_chains_inside_chains_are_spans_inside_spans(collected):
    inner = MultiChain(deep=lambda x: x, deeper=lambda deep: deep)
    chain = MultiChain(book=MultiChain(part=inner), after=lambda book: book)
    chain.using(observers=[collected.observer()]).run(x=1)
    assert collected.tree() == {"book": {"part": {"deep": {}, "deeper": {}}}, "after": {}}
    assert collected.at("book/part/deeper").attributes["ziggurat.stage"] == "deeper"


def test_a_map_has_a_span_for_each_item_with_its_number(collected):
    body = MultiChain(first=lambda row: row, second=lambda first: first * 2)
    chain = MultiChain(rows=Map(body, each="row")).using(observers=[collected.observer()])
    chain.run(row=[1, 2, 3])
    assert collected.tree() == {"rows": {f"rows[]#{item}": {"first": {}, "second": {}} for item in range(3)}}
    for item in range(3):
        span = collected.at(f"rows[{item}]")
        assert span.attributes["ziggurat.item"] == item
        assert span.attributes["ziggurat.item.total"] == 3
        assert collected.parent(collected.at(f"rows[{item}]/second")) == span


def test_maps_of_maps_keep_items_apart(collected):
    chain = MultiChain(grid=Map(Map(MultiChain(cell=lambda cell: cell), each="cell"), each="cell"))
    chain.using(observers=[collected.observer()]).run(cell=[[1, 2], [3]])
    for path, inside in {"grid[0][1]/cell": "grid[0][1]", "grid[0][1]": "grid[0]", "grid[1]": "grid"}.items():
        assert collected.parent(collected.at(path)) == collected.at(inside)
    assert collected.at("grid[0][1]").name == "grid[][]"


def test_branches_and_repeats_show_the_arm_and_the_times(collected):
    chain = MultiChain(
        pick=Branch("kind == 'long'", then=lambda text: text * 2, otherwise=lambda text: text),
        again=given(Repeat(lambda text: text + "!", until="output == 'hm!!'"), text=ref("text")),
    )
    chain.using(observers=[collected.observer()]).run(kind="long", text="hm")
    pick, again = collected.tree()["pick"], collected.tree()["again"]
    assert list(pick.values()) == [{}]
    assert list(again) == ["again[]#0", "again[]#1"]


def test_a_stage_is_current_while_it_runs_beside_its_siblings_too(collected):
    ready = asyncio.Event()

    async def slow(x):
        await asyncio.sleep(0.02)
        ready.set()
        return current()

    async def waiting(x):
        before = current()
        await ready.wait()
        return before, current()

    def threaded(x):
        return current()

    chain = MultiChain(slow=slow, waiting=waiting, threaded=threaded, after=lambda slow: current())
    outputs = chain.using(observers=[collected.observer()]).run(x=1)
    assert outputs == {
        "slow": "slow", "waiting": ("waiting", "waiting"), "threaded": "threaded", "after": "after"
    }  # fmt: skip


@pytest.mark.parametrize("is_async", [True, False])
def test_what_a_stage_traces_is_its_child(collected, is_async):
    tracer = collected.provider.get_tracer("a client")

    def call(x):
        with tracer.start_as_current_span("GET /"):
            return x

    async def acall(x):
        return call(x)

    chain = MultiChain(inner=MultiChain(fetch=acall if is_async else call), mapped=Map(call, each="x"))
    chain.using(observers=[collected.observer()]).run({"inner": {"x": 1}, "mapped": {"x": [1]}})
    fetched, mapped = sorted(
        (span for span in collected.spans if span.name == "GET /"), key=lambda span: collected.parent(span).name
    )
    assert collected.parent(fetched) == collected.at("inner/fetch")
    assert collected.parent(mapped).attributes["ziggurat.stage.path"].startswith("mapped")


@pytest.mark.parametrize("surface", ["run", "arun", "events", "invoke", "stream"])
async def test_a_span_open_around_a_run_is_its_parent_and_current_again_after_it(collected, surface):
    chain = MultiChain(a=lambda x: x).using(observers=[collected.observer()])
    with collected.provider.get_tracer("app").start_as_current_span("request") as request:
        match surface:
            case "run":
                chain.run(x=1)
            case "arun":
                await chain.arun(x=1)
            case "events":
                list(chain.events(x=1))
            case "invoke":
                chain.invoke({"x": 1})
            case _:
                list(chain.stream({"x": 1}))
        assert trace.get_current_span() is request
    assert collected.root.parent.span_id == request.context.span_id
    assert collected.tree(collected.one("request")).popitem()[1] == {"a": {}}


def test_a_chain_run_by_a_function_of_another_is_inside_that_stage(collected):
    observer = collected.observer()
    inner = MultiChain(deep=lambda x: x).using(observers=[observer])
    MultiChain(outer=lambda x: inner.run(x=x)).using(observers=[observer]).run(x=1)
    deep = collected.at("deep")
    assert collected.parent(collected.parent(deep)) == collected.at("outer")


async def test_runs_at_once_do_not_mix(collected):
    async def pause(x):
        await asyncio.sleep(0.001 * (x % 3))
        return x

    chain = MultiChain(a=pause, b=lambda a: a).using(observers=[collected.observer()])
    await asyncio.gather(*(chain.arun(x=number) for number in range(20)))
    roots = [span for span in collected.spans if span.name.startswith("invoke_workflow")]
    assert len(roots) == 20
    assert all(collected.tree(root) == {"a": {}, "b": {}} for root in roots)
    assert len({span.context.trace_id for span in roots}) == 20


# -- what did not simply run ----------------------------------------------------------------------


def test_a_failure_is_an_error_with_its_exception_and_what_needed_it_is_skipped(collected):
    def boom(x):
        raise ValueError("no such thing")

    chain = MultiChain(a=boom, b=lambda a: a, c=lambda x: x).using(observers=[collected.observer()])
    with pytest.raises(ChainError):
        chain.run(x=1)
    span = collected.at("a")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no such thing")
    assert span.attributes["error.type"] == "ValueError"
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "no such thing"
    assert "in boom" in event.attributes["exception.stacktrace"]
    assert collected.at("b").attributes["ziggurat.stage.outcome"] == "skipped"
    assert collected.at("b").attributes["ziggurat.stage.cause"] == "a"
    assert collected.at("c").status.status_code is StatusCode.UNSET
    assert collected.root.attributes["ziggurat.run.outcome"] == "failed"
    assert collected.root.attributes["error.type"] == "ziggurat.errors.ChainError"


def test_a_stage_whose_inputs_cannot_be_had_fails_without_having_begun(collected):
    chain = MultiChain(a=lambda x: {"text": 1}, b=given(lambda y: y, y=ref("a.txt")))
    with pytest.raises(ChainError):
        chain.using(observers=[collected.observer()]).run(x=1)
    assert collected.at("b").attributes["error.type"] == "ziggurat.errors.InputError"


def test_attempts_are_events_of_one_span(collected):
    tries = []

    @stage(retry=Retry(attempts=3, wait=0.0))
    def flaky(x):
        tries.append(x)
        if len(tries) < 3:
            raise ConnectionError("again")
        return x

    MultiChain(flaky=flaky).using(observers=[collected.observer()]).run(x=1)
    span = collected.at("flaky")
    assert [(event.name, event.attributes["attempt"]) for event in span.events] == [
        ("ziggurat.retry", 1), ("ziggurat.retry", 2)
    ]  # fmt: skip
    assert span.events[0].attributes["error.type"] == "ConnectionError"
    assert span.attributes["ziggurat.stage.outcome"] == "done"
    assert span.status.status_code is StatusCode.UNSET


def test_an_item_that_fails_or_is_tried_again_says_so(collected):
    tries = []

    @stage(retry=Retry(attempts=2, wait=0.0))
    def picky(row):
        tries.append(row)
        if row == 1 and tries.count(1) == 1:
            raise ConnectionError("again")
        if row == 2:
            raise ValueError("never")
        return row

    chain = MultiChain(rows=Map(picky, each="row", on_error="keep", limit=1)).using(observers=[collected.observer()])
    chain.run(row=[0, 1, 2])
    assert [event.name for event in collected.at("rows[1]").events] == ["ziggurat.retry"]
    assert collected.at("rows[2]").attributes["ziggurat.stage.outcome"] == "failed"
    assert collected.at("rows[2]").attributes["error.type"] == "ValueError"
    assert collected.at("rows").status.status_code is StatusCode.UNSET


def test_a_fallback_is_told(collected):
    @stage(fallback=value("plan b"))
    def boom(x):
        raise ValueError("no")

    MultiChain(boom=boom).using(observers=[collected.observer()]).run(x=1)
    assert collected.at("boom").attributes["ziggurat.stage.fell_back"] is True


def test_cached_and_kept_stages_are_spans_that_say_where_they_came_from(collected, tmp_path):
    chain = MultiChain(a=lambda x: x, b=lambda a: a)
    with_cache = chain.using(observers=[collected.observer()], cache=True)
    with_cache.run(x=1)
    collected.exporter.clear()
    with_cache.run(x=1)
    assert collected.at("b").attributes["ziggurat.stage.outcome"] == "cached"
    assert collected.at("b").attributes["ziggurat.saved.seconds"] >= 0
    collected.exporter.clear()

    tries = []

    def flaky(a):
        tries.append(a)
        if len(tries) == 1:
            raise OSError("down")
        return a

    durable = MultiChain(a=lambda x: x, rows=Map(lambda row: row, each="row"), flaky=flaky)
    durable = durable.using(observers=[collected.observer()], journal=tmp_path / "runs.sqlite3", run_id="r")
    with pytest.raises(ChainError):
        durable.run(x=1, row=[1, 2])
    collected.exporter.clear()
    durable.resume("r")
    outcomes = {
        span.attributes["ziggurat.stage.path"]: span.attributes["ziggurat.stage.outcome"]
        for span in collected.spans
        if span is not collected.root
    }
    assert (outcomes["a"], outcomes["flaky"], outcomes["rows[1]"]) == ("kept", "done", "kept")


def test_a_run_that_stops_at_its_budget_says_at_which_bound(collected):
    model = FakeChat(script="hello")
    chain = MultiChain(one=lambda x: model.invoke("a").text, two=lambda one: model.invoke("b").text)
    with pytest.raises(ChainError):
        chain.using(observers=[collected.observer()], budget={"calls": 1}).run(x=1)
    assert collected.root.attributes["ziggurat.run.outcome"] == "stopped"
    assert collected.at("two").attributes["ziggurat.budget.bound"] == "calls"
    assert collected.at("two").attributes["error.type"] == "ziggurat.errors.BudgetExceeded"
    assert collected.leaked == []


# -- the end of it --------------------------------------------------------------------------------


def cancelled(collected):
    return {span.name for span in collected.spans if span.attributes.get("error.type") == "cancelled"}


async def test_a_cancelled_run_ends_all_its_spans(collected):
    began = asyncio.Event()
    model = FakeChat(script="one two", delay=0.2)

    async def slow(x):
        began.set()
        await model.ainvoke("hi")

    async def wait(x):
        await asyncio.sleep(30)

    chain = MultiChain(quick=lambda x: x, book=MultiChain(slow=slow, wait=wait), rows=Map(wait, each="x"))
    chain = chain.using(observers=[collected.observer()])
    task = asyncio.create_task(chain.arun({"quick": {"x": 1}, "book": {"x": 1}, "rows": {"x": [1, 2]}}))
    await began.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert collected.leaked == []
    assert {"book", "slow", "wait", "rows", "chat fake:script", collected.root.name} <= cancelled(collected)
    assert collected.root.attributes["ziggurat.run.outcome"] == "cancelled"
    assert collected.at("quick").status.status_code is StatusCode.UNSET


def test_a_reader_that_leaves_early_leaves_no_span_open(collected):
    async def slow(quick):
        await asyncio.sleep(30)

    events = MultiChain(quick=lambda x: x, slow=slow).using(observers=[collected.observer()]).events(x=1)
    while next(events).type != "stage_finished":
        pass
    next(events)
    events.close()
    assert collected.leaked == []
    assert cancelled(collected) == {"slow", collected.root.name}


def test_an_attempt_given_up_for_its_time_ends_what_was_inside(collected):
    tries = []
    model = FakeChat(script="done")

    async def inside(x):
        tries.append(x)
        if len(tries) == 1:
            await asyncio.sleep(30)
        return (await model.ainvoke("hi")).text

    book = stage(MultiChain(inside=inside, beside=lambda x: x), retry=Retry(attempts=2, wait=0.0), timeout=0.1)
    chain = MultiChain(book=book, after=lambda book: current())
    assert chain.using(observers=[collected.observer()]).run(x=1)["after"] == "after"
    first, second = sorted((one for one in collected.spans if one.name == "inside"), key=lambda span: span.start_time)
    assert first.attributes["error.type"] == "cancelled"
    assert second.attributes["ziggurat.stage.outcome"] == "done"
    assert collected.parent(first) == collected.parent(second) == collected.at("book")
    assert collected.parent(collected.one("chat fake:script")) == second
    assert collected.parent(collected.at("after")) == collected.root
    assert collected.leaked == []


async def test_nothing_is_remembered_of_runs_that_are_over(collected):
    from ziggurat.telemetry import calls

    observer = collected.observer()
    chain = MultiChain(a=lambda x: FakeChat(script="hi").invoke("x").text, b=lambda a: a).using(observers=[observer])
    await chain.arun(x=1)
    assert observer._runs == {}
    assert calls._open == {}


# -- observers beside observers -------------------------------------------------------------------


def test_two_observers_keep_two_whole_traces(collected):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    other, exporter = TracerProvider(), InMemorySpanExporter()
    other.add_span_processor(SimpleSpanProcessor(exporter))
    model = FakeChat(script="hi")
    chain = MultiChain(a=lambda x: model.invoke("x").text, book=MultiChain(b=lambda a: a))
    chain = chain.using(observers=[collected.observer(), OpenTelemetry(other)])
    before = trace.get_current_span()
    chain.run(x=1)
    assert trace.get_current_span() is before
    mine = {(span.name, getattr(collected.parent(span), "name", None)) for span in collected.spans}
    ids = {span.context.span_id: span.name for span in exporter.get_finished_spans()}
    theirs = {
        (span.name, ids.get(span.parent.span_id) if span.parent else None) for span in exporter.get_finished_spans()
    }
    assert mine == theirs
    assert {("chat fake:script", "a"), ("b", "book")} <= mine


async def test_stages_one_after_the_other_in_one_task_leave_no_context_behind(collected):
    chain = MultiChain(a=lambda x: x, b=lambda a: a).using(observers=[collected.observer(), collected.observer()])
    before = trace.get_current_span()
    await chain.arun(x=1)
    assert trace.get_current_span() is before


def test_without_a_provider_nothing_is_kept_and_nothing_fails():
    assert MultiChain(a=lambda x: FakeChat(script="hi").invoke("x").text).using(observers=[OpenTelemetry()]).run(
        x=1
    ) == {"a": "hi"}


def test_a_broken_backend_does_not_break_the_run():
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    class Broken(SpanProcessor):
        def on_start(self, span, parent_context=None):
            raise RuntimeError("no room")

    provider = TracerProvider()
    provider.add_span_processor(Broken())
    chain = MultiChain(a=lambda x: x, rows=Map(lambda x: x, each="x")).using(observers=[OpenTelemetry(provider)])
    assert chain.run({"a": {"x": 1}, "rows": {"x": [1]}}) == {"a": 1, "rows": [1]}


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    import sys

    from ziggurat.errors import MissingDependency

    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(MissingDependency, match=r"telemetry"):
        OpenTelemetry()
