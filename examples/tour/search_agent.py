"""Tour: telling what a search found. An agent with a search engine, a calculator and Python in a sandbox, its steps printed.

python examples/tour/search_agent.py "What great events took place on this day in history?"
SERPAPI_API_KEY=... python examples/tour/search_agent.py "..." serpapi
"""

import sys

from ziggurat.stages.agent import Agent
from ziggurat.tools import calculator, python_sandbox, web_search


def main(question="What great events took place on this day in history?", engine="duckduckgo", model=None, **options):
    """The answer, with the steps that led to it."""
    agent = Agent([web_search(engine, **options), calculator(), python_sandbox()], model, kind="react")
    answer = agent.run(question)
    print(answer.trace())
    return answer


if __name__ == "__main__":
    main(*sys.argv[1:3])
