"""Tour: tool chains. What Zapier's language API did, an MCP server does: a mailbox whose tools an agent uses, sending only what is allowed.

python examples/tour/connected_tools.py
"""

import sys
from pathlib import Path

from ziggurat.stages.agent import Agent
from ziggurat.tools import mcp_tools

MAILBOX = Path(__file__).parents[1] / "mcp_mailbox.py"


def main(model=None, folder=None, approve=lambda tool, arguments: input(f"{tool} {arguments}? [y/N] ") == "y"):
    """The answer; whether the summary was sent is for the person who was asked."""
    command = [sys.executable, str(MAILBOX), *(["--folder", str(folder)] if folder else [])]
    tools = mcp_tools(command, reads=["list_emails", "read_email"])
    for tool in tools:
        print(f"{tool.name}: {tool.description.splitlines()[0]}")
    answer = Agent(tools, model, approve=approve).run(
        "Summarise the last mail from ana@example.org and send the summary to bob@example.org."
    )
    print(answer.trace())
    return answer


if __name__ == "__main__":
    main()
