"""Chain files: what they can say, and what is refused with which words and which line."""

import pytest
from langchain_core.runnables import RunnableLambda

from ziggurat import LLM, MultiChain, Retry, given, ref, stage, value
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.chain.spec import load_chain
from ziggurat.errors import InputError, SpecError


def double(number):
    return number * 2


def shout(text, mark="!"):
    return f"{text.upper()}{mark}"


def critique(draft):
    return {"ok": len(draft) > 3, "next": draft + "."}


FUNCTIONS = {"double": double, "shout": shout, "critique": critique}


def chain(stages, *, head="ziggurat: 1\n", **more):
    """The chain of some lines of stages."""
    lines = "\n".join(f"  {line}" for line in stages.strip().splitlines())
    return load_chain(f"{head}stages:\n{lines}\n", stages=FUNCTIONS, **more)


def refused(stages, **more):
    """The findings, without the file's name."""
    with pytest.raises(SpecError) as caught:
        chain(stages, **more)
    return [line.removeprefix("chain:") for line in caught.value.findings]


# -- what a file can say --------------------------------------------------------------------------


def test_a_file_is_the_chain_it_describes(tmp_path):
    file = tmp_path / "answer.yaml"
    file.write_text(
        """\
ziggurat: 1
name: Answers
inputs: [question]
outputs: [loud]
stages:
  answer:
    uses: llm
    model: fake:echo
    prompt: "{question}?"
  loud:
    uses: shout
    given: {text: "<{answer}>", mark: "!!"}
""",
        encoding="utf-8",
    )
    made = load_chain(file, stages=FUNCTIONS)
    assert made.name == "Answers"
    assert made.run(question="why") == {"loud": "<WHY?>!!"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("$a", ref("a")),
        ("$a.text.0", ref("a.text.0")),
        ('"{a} and {b.c}"', "{a} and {b.c}"),
        ("plain", value("plain")),
        ('"{{a}}"', value("{a}")),
        ("$$a", value("$a")),
        ('"$${a}"', "${a}"),
        ("5", value(5)),
        ("on", value("on")),
        ("[1, {b: $c}]", value([1, {"b": "$c"}])),
        ("null", value(None)),
    ],
)
def test_an_input_is_given_a_reference_a_text_or_a_constant(written, meant):
    made = chain(f"x: {{uses: shout, given: {{text: {written}}}}}")
    assert made.stages["x"].given == given(shout, text=meant).given


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("retry: 4", stage(shout, retry=4)),
        (
            "retry: {attempts: 2, wait: 0, errors: [TimeoutError, InputError]}",
            stage(shout, retry=Retry(attempts=2, wait=0, on=(TimeoutError, InputError))),
        ),
        ("timeout: 2", stage(shout, timeout=2)),
        ("limit: 3", stage(shout, limit=3)),
        ("cache: false", stage(shout, cache=False)),
        ("effect: true", stage(shout, effect=True)),
        ("store: false", stage(shout, store=False)),
        ("fallback: nobody knows", stage(shout, fallback=value("nobody knows"))),
        ("fallback: {value: {uses: 1}}", stage(shout, fallback=value({"uses": 1}))),
        ("fallback: {value: null}", stage(shout, fallback=value(None))),
        ("fallback: {uses: double}", stage(shout, fallback=double)),
        ("fallback: null", stage(shout)),
    ],
)
def test_a_policy_is_what_it_is_in_python(written, meant):
    assert chain(f"x: {{uses: shout, {written}}}").stages["x"].policy == meant.policy


def test_a_stage_runs_for_each_item_and_keeps_failures():
    made = chain("x:\n  uses: double\n  each: {number: $rows}\n  at_once: 2\n  on_error: keep")
    inside = made.stages["x"].call.target
    assert isinstance(inside, Map)
    assert (inside.limit, inside.on_error) == (2, "keep")
    found = made.run(rows=[1, None, 3])["x"]
    assert found == [2, None, 6]
    assert list(found.failures) == [1]


def test_policies_beside_uses_hold_for_each_item_and_beside_stage_for_the_whole():
    each = chain("x: {uses: double, each: number, retry: 2}").stages["x"]
    assert each.policy.retry is None
    assert each.call.target.body.stage.policy.retry == Retry(attempts=2)
    whole = chain("x: {stage: {uses: double}, each: number, retry: 2}").stages["x"]
    assert whole.policy.retry == Retry(attempts=2)
    assert whole.call.target.body.stage.policy.retry is None


def test_wrappers_go_inside_out_until_each_when():
    made = chain(
        "x:\n  uses: critique\n  until: output.ok\n  carry: {draft: $output.next}\n  each: {draft: $rows}\n"
        "  when: rows\n  otherwise: {uses: double, given: {number: 1}}"
    )
    branch = made.stages["x"].call.target
    assert isinstance(branch, Branch)
    assert isinstance(branch.arms[0][1].stage.call.target, Map)
    assert isinstance(branch.arms[0][1].stage.call.target.body.stage.call.target, Repeat)
    assert made.run(rows=["a"])["x"] == [{"ok": True, "next": "a...."}]
    assert made.run(rows=[])["x"] == 2


def test_a_switch_chooses_by_constants_of_any_kind():
    made = chain(
        "x:\n  switch: kind\n  cases:\n    sql: {uses: double, given: {number: 1}}\n    3: {uses: double, given: {number: 2}}\n"
        "    true: {uses: double, given: {number: 3}}\n    'true': {uses: double, given: {number: 4}}\n"
        "  otherwise: {uses: double, given: {number: 5}}"
    )
    assert [made.run(kind=one)["x"] for one in ("sql", 3, True, "true", None)] == [2, 4, 6, 8, 10]


def test_a_chain_is_a_stage_in_line_or_in_a_file(tmp_path):
    (tmp_path / "parts").mkdir()
    inner = "ziggurat: 1\nname: Inner\nstages:\n  twice: {uses: double}\n"
    (tmp_path / "parts" / "inner.yaml").write_text(inner, encoding="utf-8")
    (tmp_path / "parts" / "middle.yaml").write_text(
        "ziggurat: 1\nstages: {deep: {uses: chain, file: inner.yaml}}", encoding="utf-8"
    )
    outer = (
        "ziggurat: 1\nstages:\n  here: {uses: chain, stages: {twice: {uses: double}}}\n"
        "  there: {uses: chain, file: parts/middle.yaml, given: {number: $here.twice}}\n"
    )
    (tmp_path / "outer.yaml").write_text(outer, encoding="utf-8")
    made = load_chain(tmp_path / "outer.yaml", stages=FUNCTIONS)
    assert made.run(number=1) == {"here": {"twice": 2}, "there": {"deep": {"twice": 4}}}


def test_prompts_stand_in_the_file_in_another_or_as_messages(tmp_path):
    (tmp_path / "ask.txt").write_text("From a file: {a}", encoding="utf-8")
    made = chain(
        "one: {uses: llm, model: 'fake:echo', prompt: {file: ask.txt}}\n"
        "two: {uses: llm, model: 'fake:echo', prompt: [{system: be brief}, {human: {file: ask.txt}}]}\n"
        "three: {uses: llm, model: 'fake:echo', prompt: [{messages: history}, {human: 'and {a}'}]}",
        folder=tmp_path,
    )
    found = made.run(a="x", history=[("human", "hello")])
    assert found == {"one": "From a file: x", "two": "From a file: x", "three": "and x"}


def test_anything_with_inputs_by_name_can_be_handed_over():
    things = {
        "runnable": RunnableLambda(lambda one: one["number"] + 1).with_types(input_type=dict),
        "ready": stage(double, retry=2, given={"number": 4}),
        "nested": MultiChain(twice=double),
    }
    made = load_chain(
        "ziggurat: 1\nstages:\n  a: {uses: ready}\n  b: {uses: nested, given: {number: $a}}\n  c: {uses: ready, retry: null, given: {number: 1}}",
        stages=things,
    )
    assert made.run() == {"a": 8, "b": {"twice": 16}, "c": 2}
    assert [made.stages[name].policy.retry is None for name in "ac"] == [False, True]


def test_options_go_to_the_model():
    one = chain("x: {uses: llm, prompt: hello, model: 'fake:echo', temperature: 0.5, stop: [end]}").stages["x"]
    assert isinstance(one.call.target, LLM)
    assert (one.call.target.model.temperature, one.call.target.model.stop) == (0.5, ["end"])


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stages", "finding"),
    [
        ("a: {uses: llm, modle: x}", "3: stages.a.modle: unknown key (did you mean 'model'?)"),
        ("a: {uses: lllm}", "3: stages.a.uses: no stage is called 'lllm' (did you mean 'llm'?)"),
        ("a: {uses: 3}", "3: stages.a.uses: 3 is no stage's name: uses: llm, for example"),
        ("a: {}", "3: stages.a: a stage says what it uses: uses: ..."),
        ("a: {uses: double, switch: b}", "3: stages.a: a stage has uses and switch; one of them"),
        ("a: double", "3: stages.a: a stage is a mapping that says what it uses, for example {uses: llm, prompt: ...}"),
        ("null: {uses: double}", "3: stages.None: None cannot name a stage: put it in quotes if it is meant"),
        ("a: {uses: llm, model: gpt}", "3: stages.a.model: 'gpt' is not a model spec (write provider:name, for example openai:gpt-4.1 or local:qwen2.5-coder-0.5b)"),
        ("a: {uses: llm, model: 'fake:huh'}", "3: stages.a: There is no fake chat model 'huh' (use fake:echo, 'fake:fixed <text>' or 'fake:json <object>')"),
        ("a: {uses: llm, temperature: hot}", "3: stages.a.temperature: this should be a valid number"),
        ("a: {uses: llm, max_tokens: true}", "3: stages.a.max_tokens: this should be a valid integer"),
        ("a: {uses: llm, base_url: 'https://example.com'}", "3: stages.a.base_url: unknown key"),
        ("a: {uses: llm, api_key: x}", "3: stages.a.api_key: unknown key"),
        ("a: {uses: double, given: {number: $x y}}", "3: stages.a.given.number: '$x y' is not a reference (write $$x y for a text that begins with a dollar sign)"),
        ("a: {uses: double, given: {number: $_x}}", "3: stages.a.given.number: '$_x' is not a reference (write $$_x for a text that begins with a dollar sign)"),
        ("a: {uses: double, given: {numbr: 1}}", "3: stages.a.given.numbr: stage 'a' is given 'numbr', which it does not take (did you mean 'number'?)"),
        ("a: {uses: double, at_once: 3}", "3: stages.a.at_once: this says nothing without each:"),
        ("a: {uses: double, otherwise: {uses: double}}", "3: stages.a.otherwise: this says nothing without when: or switch:"),
        ("a: {uses: double, each: {numbr: $b}}", "3: stages.a.each: the mapped stage 'double' reads no 'numbr' (did you mean 'number'?)"),
        ("a: {uses: double, each: {a: 1, b: 2}}", "3: stages.a.each: each names one input: each: {document: $documents}"),
        ("a: {uses: double, when: 'x =='}", "3: stages.a.when: 'x ==' is not a reference (write a stage's name, then fields after dots, for example qa.text)"),
        ("a: {uses: double, when: \"x == open('f')\"}", "3: stages.a.when: The condition \"x == open('f')\" does not end in a constant (compare with a number, true, false, a quoted text or a list of these)"),
        ("a: {uses: double, until: outptu.ok}", "3: stages.a.until: 'outptu.ok' begins with no output of the repeated stage (did you mean 'output'?)"),
        ("a: {switch: x, cases: {}}", "3: stages.a.switch: switch: chooses one of cases:, and there are none"),
        ("a: {uses: double, retry: {attemts: 3}}", "3: stages.a.retry.attemts: unknown key (did you mean 'attempts'?)"),
        ("a: {uses: double, retry: {errors: [os.system]}}", "3: stages.a: 'os.system' is no exception of Python's own or of Ziggurat's"),
        ("a: {uses: double, retry: 0}", "3: stages.a.retry: this should be greater than or equal to 1"),
        ("a: {uses: double, effect: true, cache: true}", "3: stages.a: A stage that acts on the world cannot be cached (effect=True or cache=True, not both)"),
        ("a: {uses: double, fallback: {uses: double, retry: 2}}", "3: stages.a.fallback.retry: a fallback has no retry: it gets the inputs and the policy of its stage"),
        ("a: {uses: chain}", "3: stages.a: a chain has stages:, or the file: they are in"),
        ("a: {uses: chain, file: b.yaml, name: x}", "3: stages.a.name: a chain in a file says its own name"),
        ("a: {uses: chain, stages: {b: {uses: double, given: {number: $c}}}, inputs: [d]}", "3: stages.a.stages.b: stage 'b' needs 'c', which is neither a stage nor a declared input"),
        ("a: {uses: llm, prompt: {file: x.txt}}", "3: stages.a.prompt: 'x.txt' is a file's name, and this text is in no folder (give the folder it is relative to, or read the chain from a file)"),
        ("a: {uses: llm, prompt: '{x.__class__}'}", None),
        ("a: {uses: llm, prompt: [{system: a, human: b}]}", "3: stages.a.prompt.0: one of system, human, ai, messages and examples"),
        ("a: {uses: retrieve}", "3: stages.a.index: this is needed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_line(stages, finding):
    findings = refused(stages)
    if finding is None:
        assert len(findings) == 1
        assert findings[0].startswith("3: stages.a: ")
    else:
        assert finding in findings


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("stages: {a: {uses: double}}\n", "chain:1: ziggurat: this is needed"),
        ("ziggurat: 2\nstages: {}\n", "chain:1: ziggurat: a later Ziggurat wrote version 2; this one reads 1: upgrade"),
        ("ziggurat: one\nstages: {a: {uses: double}}\n", "chain:1: ziggurat: this should be 1"),
        ("ziggurat: 1\n\nstage: {}\n", "chain:3: stage: unknown key (did you mean 'stages'?)"),
        ("ziggurat: 1\nstages: {}\n", "chain:2: stages: This chain cannot run; one thing is wrong"),
        ("- a\n", "chain:1: a chain file is a mapping with ziggurat: 1 and stages: at the top"),
        ("\n", "chain:1: a chain file is a mapping with ziggurat: 1 and stages: at the top"),
        ("ziggurat: 1\ninputs: [a]\nstages:\n  b: {uses: double}\n", "chain:4: stages.b: stage 'b' needs 'number', which is neither a stage nor a declared input"),
        ("ziggurat: 1\ninputs: [number, a]\nstages:\n  b: {uses: double}\n", "chain:2: inputs: the declared input 'a' is read by no stage"),
        ("ziggurat: 1\noutputs: [c]\nstages:\n  b: {uses: double}\n", "chain:2: outputs: the output 'c' is no stage"),
        ("ziggurat: 1\nstages:\n  b: {uses: double, given: {number: $c}}\n  c: {uses: double, given: {number: $b}}\n", "chain:3: stages.b: these stages wait for each other in a circle: b -> c -> b"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_whole_has_its_line_too(text, finding):
    with pytest.raises(SpecError) as caught:
        load_chain(text, stages=FUNCTIONS)
    assert any(line.startswith(finding) for line in caught.value.findings) or (
        finding.endswith("one thing is wrong") and caught.value.findings == ("chain:2: stages: there are no stages: give at least one",)
    )  # fmt: skip


def test_everything_that_is_wrong_is_said_at_once_in_order():
    findings = refused(
        "a: {uses: llm, promt: x}\nb: {uses: double, given: {number: '{a'}}\nc: {uses: nothing}\n"
        "d: {uses: double, given: {number: $q}}\ne: {uses: chain, stages: {f: {uses: shot}}}",
        head="ziggurat: 1\ninputs: [x]\n",
    )
    assert [line.partition(":")[0] for line in findings] == ["4", "5", "6", "7", "8"]
    assert "needs 'q', which is neither" in findings[3]


def test_a_name_that_is_registered_cannot_be_given_another_meaning():
    with pytest.raises(InputError, match="llm, chain is registered already"):
        load_chain("\n", stages={"llm": double, "chain": double})


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("ziggurat: 1\nname: caf\xe9\n".encode("latin-1"))
    for name, words in (("none.yaml", "is not a file"), ("latin.yaml", "is not UTF-8"), (".", "is not a file")):
        with pytest.raises(SpecError, match=words):
            load_chain(tmp_path / name)


def test_what_is_made_of_stages_cannot_act_on_the_world_itself():
    text = """
ziggurat: 1
inputs: [x]
stages:
  a:
    stage: {uses: llm, prompt: "{x}", each: {x: $x}, model: "fake:echo"}
    effect: true
"""
    with pytest.raises(SpecError, match=r":5: stages\.a: .*mark the stage inside"):
        load_chain(text)
