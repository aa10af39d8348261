"""What a chain says of a run before it runs."""

from decimal import Decimal

from ziggurat import MultiChain, given, ref, stage
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.chain.stage import CallBound, Param
from ziggurat.prices import Price, Prices
from ziggurat.testing import FakeChat

PRICES = Prices({"house": Price(input=1, output=10)})


class Asks:
    """A stage that says what it asks of a model; it is never called here."""

    def __init__(self, model="house", written=100):
        self.bound = CallBound(model, "", 1, 1000, written)
        self.name = "Asks"

    stage_inputs = (Param("x"),)
    stage_output = str

    def stage_bounds(self, inputs):
        return [self.bound]

    def invoke(self, given):
        raise AssertionError

    async def ainvoke(self, given, config=None):
        raise AssertionError


def bound_of(multi, **inputs):
    found = multi.using(prices=PRICES).explain(inputs).bound
    return found.calls, found.tokens, found.usd


def test_bounds_add_up_attempts_and_fallbacks():
    multi = MultiChain(a=Asks(), b=stage(given(Asks(), x=ref("a")), retry=3, fallback=Asks(written=0)))
    assert bound_of(multi, x="q") == (5, 4 * 1100 + 1000, 4 * Decimal("0.002") + Decimal("0.001"))


def test_a_map_asks_for_each_item_if_it_is_known_how_many_there_are():
    multi = MultiChain(out=Map(Asks(), each="x"))
    assert bound_of(multi, x=[1, 2, 3])[0] == 3
    assert bound_of(multi) == (None, None, None)


def test_a_repeat_asks_as_often_as_it_may_and_a_branch_for_its_dearest_arm():
    assert bound_of(MultiChain(a=Repeat(Asks(), until="output.ok", at_most=4)), x="q")[0] == 4
    branch = Branch("go", MultiChain(one=Asks(), two=Asks()), Asks(written=5000))
    assert bound_of(MultiChain(a=branch), x="q", go=True)[:2] == (2, 6000)


def test_an_unknown_price_makes_the_whole_cost_unknown_and_free_models_do_not():
    assert bound_of(MultiChain(a=Asks(), b=Asks("nobody-knows")), x="q") == (2, 2200, None)
    explained = MultiChain(a=FakeChat()).explain(input="q")
    assert (explained.bound.calls, explained.bound.usd) == (1, 0)


def test_functions_are_said_not_to_say():
    explained = MultiChain(a=Asks(), f=lambda a: a).using(prices=PRICES).explain(x="q")
    assert explained.undeclared == ("f",)
    assert str(explained).splitlines()[-1] == "at most 1 call, 1,100 tokens, 0.0020 USD; 1 functions do not say"


def test_what_the_cache_has_is_said_through_chains_of_hits():
    multi = MultiChain(a=lambda x: x + 1, b=lambda a: a * 2, c=lambda b, y: b + y).using(cache=True)
    multi.run(x=1, y=2)
    fates = {one.path: one.fate for one in multi.explain(x=1, y=3).stages}
    assert fates == {"a": "cached", "b": "cached", "c": "runs"}
    assert {one.fate for one in multi.explain(x=1, y=2).stages} == {"cached"}
    assert [one.fate for one in multi.explain(x=9, y=2).stages] == ["runs", "depends", "depends"]


def test_missing_inputs_are_noted():
    assert MultiChain(a=lambda x, y=1: x).explain().missing == ("x",)


def deep(levels, wide):
    chain = MultiChain(**{f"s{number}": (lambda x: x) for number in range(wide)})
    for _ in range(levels - 1):
        chain = MultiChain(inner=chain, **{f"s{number}": (lambda x: x) for number in range(wide)})
    return chain


def test_every_stage_of_a_deep_chain_is_explained_where_it_is():
    explained = deep(10, 100).explain(x=1)
    assert len(explained.stages) == 1009
    assert max(one.depth for one in explained.stages) == 9
    assert sum(one.path.endswith("s99") for one in explained.stages) == 10
