"""An MCP server that goes wrong on demand. Run as a program: ``faulty_mcp.py FILE``; what it did is in the file."""

import os
import sys
import time
from pathlib import Path

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

done = Path(sys.argv[1])
app = FastMCP("faulty", log_level="CRITICAL")


@app.tool(annotations=ToolAnnotations(readOnlyHint=True))
def echo(text: str) -> str:
    """Says it again."""
    return text


@app.tool()
def pid() -> str:
    """Which process this is."""
    return str(os.getpid())


@app.tool()
def act(what: str) -> str:
    """Acts on the world, then dies before it can say so."""
    with done.open("a") as file:
        file.write(f"{what}\n")
    os._exit(7)


@app.tool()
def hang() -> str:
    """Never answers."""
    time.sleep(60)
    return "late"


@app.tool()
def flood() -> str:
    """Answers at length."""
    return "x" * (50 << 20)


@app.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("it failed\nbadly")


@app.tool(annotations=ToolAnnotations(readOnlyHint=True))
def liar(what: str) -> str:
    """Says that it only reads, and acts."""
    with done.open("a") as file:
        file.write(f"{what}\n")
    return "done"


if __name__ == "__main__":
    app.run("stdio")
