"""Map, Branch, Repeat: what they give, what they refuse, and where what happens inside them is said to happen."""

import asyncio
import threading

import pytest

from ziggurat import ChainError, MultiChain, Retry, WiringError, given, ref, stage, value
from ziggurat.chain.composite import Branch, Items, Map, Repeat
from ziggurat.chain.events import Item, StageFinished, StageStarted, Token
from ziggurat.errors import ItemError


def rows(count):
    return [{"number": number} for number in range(count)]


def squared():
    body = given(lambda number: number**2, number=ref("row.number"))
    return MultiChain(rows=rows, squares=given(Map(body, each="row"), row=ref("rows")))


def test_a_map_gives_a_result_for_each_item_in_the_items_order():
    assert squared().run(count=4)["squares"] == [0, 1, 4, 9]


def test_a_map_of_nothing_is_nothing():
    assert squared().run(count=0)["squares"] == []


@pytest.mark.parametrize("items", [(1, 2), range(1, 3), {1: "a", 2: "b"}.keys(), iter([1, 2])])
def test_a_map_goes_through_any_iterable(items):
    assert MultiChain(out=Map(lambda x: x * 10)).run(x=items) == {"out": [10, 20]}


@pytest.mark.parametrize("items", ["text", b"bytes", {"a": 1}, 5])
def test_a_map_refuses_what_is_no_list_of_items(items):
    with pytest.raises(ChainError, match="is not a list of items"):
        MultiChain(out=Map(lambda x: x)).run(x=items)


def test_the_other_inputs_are_the_same_for_every_item():
    mapped = Map(lambda x, factor=2: x * factor, each="x")
    assert MultiChain(out=mapped).run(x=[1, 2]) == {"out": [2, 4]}
    assert MultiChain(out=mapped).run(x=[1, 2], factor=5) == {"out": [5, 10]}


@pytest.mark.parametrize("slow", [True, False])
async def test_a_map_has_no_more_items_under_way_than_its_limit(slow):
    under_way, most = 0, 0

    async def work(x):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1

    body = stage(work, retry=2) if slow else work
    await MultiChain(out=Map(body, limit=3)).arun(x=range(20))
    assert most == 3


def test_items_of_a_function_run_in_several_threads():
    barrier = threading.Barrier(4, timeout=5)
    assert MultiChain(out=Map(lambda x: (barrier.wait(), None)[1], limit=4)).run(x=range(4)) == {"out": [None] * 4}


def fails_at(number):
    def work(x):
        if x == number:
            raise ValueError(f"no {x}")
        return x

    return work


def test_a_failed_item_fails_the_map_and_no_further_item_starts():
    started = []

    async def work(x):
        started.append(x)
        await asyncio.sleep(0)
        if x == 3:
            raise ValueError("no 3")

    with pytest.raises(ChainError) as caught:
        MultiChain(out=Map(work, limit=2)).run(x=range(1000))
    error = caught.value.__cause__
    assert isinstance(error, ItemError)
    assert (error.item, str(error.__cause__)) == (3, "no 3")
    assert len(started) < 20


@pytest.mark.parametrize("body", [fails_at(1), stage(fails_at(1), timeout=5)])
def test_failures_are_kept_beside_results(body):
    out = MultiChain(out=Map(body, on_error="keep")).run(x=range(3))["out"]
    assert isinstance(out, Items)
    assert (list(out), out.ok) == ([0, None, 2], [0, 2])
    assert (out.failures[1].type, out.failures[1].message) == ("ValueError", "no 1")


def test_a_policy_inside_a_map_is_for_each_item():
    tries = []

    def flaky(x):
        tries.append(x)
        if tries.count(x) < 2:
            raise OSError("again")
        return x

    assert MultiChain(out=Map(stage(flaky, retry=Retry(2, wait=0)))).run(x=[1, 2]) == {"out": [1, 2]}
    kept = Map(stage(fails_at(2), fallback=value("none")))
    assert MultiChain(out=kept).run(x=[1, 2]) == {"out": [1, "none"]}


def test_an_iterable_that_breaks_fails_the_map():
    def broken():
        yield 1
        raise RuntimeError("the source broke")

    with pytest.raises(ChainError, match="the source broke"):
        MultiChain(out=Map(lambda x: x)).run(x=broken())


def test_chains_nest_in_maps_in_chains_and_every_event_says_where_it_happened():
    def letters(word):
        yield from word

    inner = MultiChain(letters=letters, length=lambda letters: 0 + len(letters))
    outer = MultiChain(book=MultiChain(pages=given(Map(inner, each="word"), word=ref("words"))))
    events = list(outer.events(words=["ab", "c"]))
    assert events[-1].outputs == {"book": {"pages": [{"letters": "ab", "length": 2}, {"letters": "c", "length": 1}]}}
    tokens = sorted((event.path, event.item, event.text) for event in events if isinstance(event, Token))
    assert tokens == [
        ("book/pages[0]/letters", 0, "a"),
        ("book/pages[0]/letters", 0, "b"),
        ("book/pages[1]/letters", 1, "c"),
    ]
    items = [(event.path, event.item, event.total, event.output) for event in events if isinstance(event, Item)]
    assert sorted(items)[1] == ("book/pages[1]", 1, 2, {"letters": "c", "length": 1})
    assert {event.top for event in events if hasattr(event, "path")} == {"book"}


def test_a_reference_reads_a_field_of_every_item():
    inner = MultiChain(text=lambda x: {"words": [f"w{x}"]})
    multi = MultiChain(out=Map(inner, each="x"), flat=given(lambda words: words, words=ref("out.*.text.words.0")))
    assert multi.run(x=[1, 2])["flat"] == ["w1", "w2"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Map(lambda text, style: text), "which of text, style"),
        (lambda: Map(lambda text: text, each="txt"), "did you mean 'text'"),
        (lambda: Map(lambda text: text, limit=0), "lets nothing run"),
        (lambda: Map(lambda text: text, on_error="ignore"), "'raise' or 'keep'"),
        (lambda: Repeat(lambda x, y: x, until="output.done"), "nothing is carried"),
        (lambda: Repeat(lambda x: x, until="out"), "did you mean 'output'"),
        (lambda: Repeat(lambda x: x, until="output", at_most=0), "never"),
        (lambda: Repeat(MultiChain(a=lambda x: x), until="a", carry={"y": "a"}), "no input 'y'"),
        (lambda: Branch.on("kind", {}), "at least one case"),
    ],
)
def test_what_could_never_run_is_refused_when_it_is_made(make, words):
    with pytest.raises(WiringError, match=words):
        make()


def routed():
    return MultiChain(
        kind=lambda question: question.partition(":")[0],
        answer=Branch.on(
            "kind",
            {"sql": lambda question: f"rows for {question}", "web": MultiChain(page=lambda question: question)},
            otherwise=lambda: "neither",
        ),
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [("sql: x", "rows for sql: x"), ("web: y", {"page": "web: y"}), ("z", "neither")],
)
def test_a_branch_runs_the_arm_whose_case_it_is(question, answer):
    assert routed().run(question=question)["answer"] == answer


def test_a_branch_says_which_arm_it_took():
    events = [event for event in routed().events(question="web: y") if isinstance(event, StageStarted)]
    assert [event.path for event in events] == ["kind", "answer", "answer/web", "answer/web/page"]


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ("check.ok", True, False),
        (ref("check.ok"), 1, 0),
        ("not check.ok", "", "x"),
        ("check.ok == 'a'", "a", "b"),
        ("check.ok in [1, 2]", 2, 3),
        ("check.ok >= 0.5", 0.5, 0.4),
        ("check.ok != null", 1, None),
    ],
)
def test_a_stage_runs_only_when_its_condition_holds(when, yes, no):
    multi = MultiChain(check=lambda ok: {"ok": ok}, then=Branch(when, lambda x: f"ran {x}"))
    assert multi.run(ok=yes, x=1)["then"] == "ran 1"
    assert multi.run(ok=no, x=1)["then"] is None


@pytest.mark.parametrize("when", ["check.ok == open('x')", "check.ok or True", "__class__", "f()", ""])
def test_a_condition_can_only_compare_a_reference_with_a_constant(when):
    with pytest.raises(ValueError, match=r"constant|not a reference"):
        Branch(when, lambda x: x)


def test_a_condition_on_a_field_that_does_not_exist_is_found_before_the_run():
    from dataclasses import dataclass

    @dataclass
    class Verdict:
        good: bool

    def check(x) -> Verdict:
        return Verdict(good=True)

    with pytest.raises(WiringError, match=r"has no field 'god' .did you mean 'good'"):
        MultiChain(check=check, then=Branch("check.god", lambda x: x))


def test_a_failed_arm_fails_its_branch_and_says_so_in_both_places():
    multi = MultiChain(a=Branch("go", fails_at(1)), after=lambda a: a)
    events = list(multi.events(go=True, x=1))
    assert [(event.type, event.path) for event in events[-4:-1]] == [
        ("stage_failed", "a/then"),
        ("stage_failed", "a"),
        ("stage_skipped", "after"),
    ]


def test_a_stage_repeats_until_its_condition_holds():
    multi = MultiChain(grown=Repeat(lambda text: text + "!", until="output == 'a!!!'"))
    assert multi.run(text="a") == {"grown": "a!!!"}


def test_a_stage_repeats_at_most_so_often():
    runs = []
    multi = MultiChain(grown=Repeat(lambda text: runs.append(text) or text + "!", until="output == 0", at_most=4))
    assert multi.run(text="a") == {"grown": "a!!!!"}
    assert len(runs) == 4


def test_a_chain_repeats_with_what_it_carries():
    body = MultiChain(
        critique=lambda draft, least: {"ok": len(draft) >= least},
        revised=lambda draft, critique: draft if critique["ok"] else draft + "+",
    )
    multi = MultiChain(final=Repeat(body, until="critique.ok", carry={"draft": "revised"}))
    assert multi.run(draft="x", least=3)["final"] == {"critique": {"ok": True}, "revised": "x++"}
    finished = [event.path for event in multi.events(draft="x", least=2) if isinstance(event, StageFinished)]
    assert finished == [
        "final[0]/critique",
        "final[0]/revised",
        "final[1]/critique",
        "final[1]/revised",
        "final",
    ]


async def test_items_that_never_wait_leave_the_event_loop_to_others():
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work(x):
        for _ in range(200):
            pass

    other = asyncio.create_task(others())
    await asyncio.sleep(0)
    await MultiChain(out=Map(work)).arun(x=range(20_000))
    other.cancel()
    assert turns > 5
