"""Tour: weights of tools. A tool is chosen by its description; descriptions are replaced and tools preferred by name.

python examples/tour/weighted_tools.py
"""

from ziggurat.stages.agent import Agent
from ziggurat.tools import calculator, describe, web_search


def main(
    model=None, engine="duckduckgo", question="She is 27. What is her age raised to the power of 0.43?", **options
):
    """The answer, with the tool that was used."""
    tools = [
        describe(web_search(engine, **options), "For questions about current events.", name="Search"),
        describe(calculator(), "For questions about mathematics.", name="Calculator"),
    ]
    answer = Agent(tools, model, prefer={"Calculator": 2.0}).run(question)
    print(answer.trace())
    return answer


if __name__ == "__main__":
    main()
