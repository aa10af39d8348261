"""Tour: several chains in a row. A place leads to a dish, the dish to a recipe; each output feeds the next stage by name.

python examples/tour/sequential_chains.py Rome
"""

import sys

from ziggurat import LLM, MultiChain


def main(place="Rome", model=None):
    """The dish and how to cook it. The preset ``sequential`` is the same as a chain file."""
    chain = MultiChain(
        dish=LLM("Name one classic dish from {place}. Answer with its name only.", model),
        recipe=LLM("Give a short and simple recipe for {dish}, to be cooked at home: at most five steps.", model),
    )
    found = chain.run(place=place)
    print(f"{found['dish']}\n\n{found['recipe']}")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
