"""Any chain that can be written reads back the same, and what was written is written the same again."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.prompts import ChatPromptTemplate

from ziggurat import LLM, MultiChain, Retry, ref, stage, value
from ziggurat.chain.adapt import as_stage
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.chain.condition import Condition
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.chain.spec.layout import same
from ziggurat.chain.spec.text import Findings, read
from ziggurat.chain.stage import COMPOSITE, Call, Stage, Value
from ziggurat.errors import SpecError, WiringError


def double(a):
    return a * 2


async def join(a, b="there"):
    return f"{a} {b}"


def anything(a, **more):
    return {"a": a, **more}


FUNCTIONS = {"double": double, "join": join, "anything": anything}

# -- what two chains have in common ---------------------------------------------------------------


def described(chain: MultiChain) -> dict[str, object]:
    """Everything about a chain that decides what it does, as plain values."""
    wiring = chain.wiring
    return {
        "name": chain.name,
        "inputs": [(one.name, one.required, one.readers) for one in wiring.inputs.values()],
        "outputs": wiring.outputs,
        "edges": (wiring.parents, wiring.feeds),
        "stages": {str(name): of_stage(one) for name, one in zip(wiring.names, wiring.stages, strict=True)},
    }


def of_stage(one: Stage) -> object:
    policy = one.policy
    fallback = of_call(policy.fallback) if isinstance(policy.fallback, Call) else policy.fallback
    rest = (policy.retry, policy.timeout, policy.limit, policy.cache, policy.effect, policy.store)
    return (of_call(one.call), dict(one.given), rest, fallback, one.params, one.open_ended, one.label)


def of_call(call: Call) -> object:
    match call.target:
        case MultiChain() as chain:
            return described(chain)
        case Map() as one:
            return ("map", of_stage(one.body.stage), one.each, one.limit, one.on_error)
        case Repeat() as one:
            return ("repeat", of_stage(one.body.stage), one.until, one.at_most, one.carry)
        case Branch() as one:
            last = one.otherwise and of_stage(one.otherwise.stage)
            return ("branch", [(when, of_stage(body.stage)) for when, body in one.arms], last)
        case LLM() as one:
            return ("llm", one.settings(), one.prompt)
        case function:
            return (call.kind, function)


# -- chains ---------------------------------------------------------------------------------------

AWKWARD = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from([*"ab {}$#:-'\"|>&*!%@`\\\n\t,[]?~", "true", "null", "on", "1e3", "é中😀", "\r", "\u2028", "\x07"])).map("".join),
    st.sampled_from(["", " ", "\n", "a\nb", " a\n", "a \nb\n", "\n a", "no", "off", "=", "<<", "0o17", "012", "1:30", "2020-01-01", "-", "- a", "? b", "$", "$$", "$x", "{{}}", "...", "---", "+.inf", ".nan", "0x1F", "#", "a: b", "~"]),
)  # fmt: skip
ROOTS = st.sampled_from(["a", "b", "x", "some-input"])
REFS = st.builds(
    lambda root, path: ref(".".join([root, *path])),
    ROOTS,
    st.lists(st.sampled_from(["text", "0", "*", "a-b"]), max_size=3),
)
CONSTANTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | AWKWARD,
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(AWKWARD | st.integers(0, 9) | st.booleans(), inside, max_size=3)
    ),
    max_leaves=6,
)


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


TEMPLATES = st.builds(lambda before, one, after: f"{escaped(before)}{{{one}}}{escaped(after)}", AWKWARD, REFS, AWKWARD)
BINDINGS = st.one_of(REFS, TEMPLATES, CONSTANTS.map(value))
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.none(),
    st.text(max_size=8),
    st.sampled_from(["sql", "true", "1", "on", "a'b"]),
)
CONDITIONS = st.one_of(
    st.sampled_from(["a", "not b.text", "x.0 >= 0.5", "b in ['p', 'q']", "a != null"]),
    st.builds(lambda one, constant: Condition(one, "==", constant), st.sampled_from([ref("a"), ref("x.kind")]), SCALARS),
)  # fmt: skip
RETRIES = st.one_of(
    st.none(),
    st.integers(1, 5),
    st.builds(
        Retry,
        attempts=st.integers(1, 5),
        wait=st.floats(0, 1),
        max_wait=st.floats(1, 60),
        on=st.sampled_from([(Exception,), (TimeoutError, ConnectionError), (WiringError,), ()]),
    ),
)


@st.composite
def prompts(draw):
    variables = draw(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2))
    text = escaped(draw(AWKWARD)) + "".join(f"{{{one}}}{escaped(draw(AWKWARD))}" for one in variables)
    if draw(st.booleans()):
        return text
    return ChatPromptTemplate.from_messages([("system", escaped(draw(AWKWARD))), ("human", text), ("ai", "yes")])


LLMS = st.builds(
    LLM,
    prompts(),
    st.sampled_from(["fake:echo", "fake:fixed {odd}: \n text "]),
    name=st.none() | st.just("writer"),
    temperature=st.floats(0, 2),
    max_tokens=st.integers(1, 99),
    stop=st.lists(AWKWARD, max_size=2),
)


@st.composite
def policies(draw):
    effect = draw(st.booleans()) and draw(st.booleans())
    fallback = draw(st.none() | CONSTANTS.map(value) | st.sampled_from([double, LLM("again {a}", "fake:echo")]))
    chosen = {
        "retry": draw(RETRIES),
        "timeout": draw(st.none() | st.floats(0.1, 100)),
        "limit": draw(st.none() | st.integers(1, 9)),
        "fallback": fallback,
        "effect": effect,
        "cache": draw(st.sampled_from([None, False] if effect else [None, True, False])),
        "store": True if effect else draw(st.booleans()),
    }
    kept = draw(st.sets(st.sampled_from(list(chosen))))
    return {name: one for name, one in chosen.items() if name in kept or (effect and name in ("effect", "store"))}


@st.composite
def wrapped(draw, inside):
    """A stage, under a policy and with some inputs given, perhaps around another."""
    one: Stage = as_stage(draw(inside))
    names = [param.name for param in one.params]
    kind = draw(st.sampled_from(["bare", "map", "branch", "switch", "repeat"]))
    if kind == "map" and names:
        one = as_stage(
            Map(
                one,
                draw(st.sampled_from(names)),
                limit=draw(st.sampled_from([16, 3])),
                on_error=draw(st.sampled_from(["raise", "keep"])),
            )
        )
    elif kind == "branch":
        one = as_stage(Branch(draw(CONDITIONS), one, draw(st.none() | inside)))
    elif kind == "switch":
        cases = dict.fromkeys(draw(st.lists(SCALARS, min_size=1, max_size=3)), one)
        one = as_stage(Branch.on(draw(st.sampled_from(["a", "x.kind"])), cases, draw(st.none() | inside)))
    elif kind == "repeat" and names:
        target = one.call.target
        if isinstance(target, MultiChain):
            first = next(iter(target.stages))
            repeat = Repeat(one, until=f"{first}.ok", carry={names[0]: first}, at_most=draw(st.integers(1, 12)))
        else:
            repeat = Repeat(one, until=draw(st.sampled_from(["output", "output.n >= 3"])), carry={names[0]: "output"})
        one = as_stage(repeat)
    fed = {param.name: draw(REFS if kind == "map" else BINDINGS) for param in one.params if draw(st.integers(0, 3)) == 0}  # fmt: skip
    fed = {name: one_given for name, one_given in fed.items() if name.isidentifier()}
    policy = draw(policies())
    if one.call.kind in COMPOSITE:  # a stage inside acts on the world, or none
        policy.pop("effect", None)
    return stage(one, **policy).with_given(fed)


@st.composite
def chains(draw, inside):
    count = draw(st.integers(1, 3))
    made = [{"name": f"{draw(st.sampled_from(['s', 'end', 'on', 'true-ish']))}{number}", "chain": draw(inside)} for number in range(count)]  # fmt: skip
    names = [one["name"] for one in made]
    outputs = draw(st.none() | st.permutations(names))
    try:
        return MultiChain(made, outputs=outputs, name=draw(st.none() | st.sampled_from(["The chain", "null", "a: b"])))
    except WiringError:  # a constant of a type that an input refuses, for example
        return MultiChain([{"name": "plain", "chain": double}])


LEAVES = st.one_of(LLMS, st.sampled_from(list(FUNCTIONS.values())))


@st.composite
def _nested(draw, inside):
    try:
        return draw(st.one_of(wrapped(inside), chains(inside)))
    except WiringError:
        return double


STAGES = st.recursive(LEAVES, _nested, max_leaves=5)
CHAINS = chains(STAGES)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(CHAINS)
def test_a_chain_reads_back_as_it_was_written(chain):
    text = dump_chain(chain, stages=FUNCTIONS)
    again = load_chain(text, stages=FUNCTIONS)
    assert described(again) == described(chain)
    assert dump_chain(again, stages=FUNCTIONS) == text


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text_at_all_is_read_or_refused_with_a_line(text):
    try:
        load_chain(f"{text}\n")
    except SpecError as error:
        assert error.findings
        assert all(line.split(":")[1].isdigit() for line in error.findings)


@settings(max_examples=200, deadline=None)
@given(CONSTANTS)
def test_any_plain_data_survives_being_laid_out(data):
    from ziggurat.chain.spec.layout import _dump

    findings = Findings()
    found = read(_dump({"data": data}), "text", findings)
    assert not findings
    assert same(found.data, {"data": data})


KEYS = ["ziggurat", "stages", "a", "uses", "llm", "prompt", "given", "each", "when", "until", "carry", "switch", "cases", "fallback", "retry", "stage", "chain", "file", "model"]  # fmt: skip
SHAPES = st.recursive(
    st.sampled_from([*KEYS, 1, None, True, 0.5, "$a", "{a}", "a == 1"]),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, 3, None]), inside, max_size=5)
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b"]), SHAPES, max_size=2))
def test_any_shape_at_all_is_a_chain_or_refused(tmp_path_factory, data):
    from ziggurat.chain.spec.layout import _dump

    try:
        chain = load_chain(_dump({"ziggurat": 1, "stages": data}), folder=Path(__file__).parent)
    except SpecError as error:
        assert error.findings
    else:
        assert isinstance(chain, MultiChain)


def test_the_fallback_none_is_not_no_fallback():
    chain = MultiChain(a=stage(double, fallback=value(None)))
    again = load_chain(dump_chain(chain, stages=FUNCTIONS), stages=FUNCTIONS)
    assert again.stages["a"].policy.fallback == Value(None)
