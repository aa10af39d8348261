"""What an agent can use: tools with typed arguments, bounded results, and a mark on those that act on the world.

Every tool is a LangChain `BaseTool` and can be used alone or by anybody's agent. Optional packages are
imported by the tool that needs them.
"""

from __future__ import annotations

from ziggurat.tools.bounds import acts, marked
from ziggurat.tools.calculator import calculator
from ziggurat.tools.docstore import IndexPages, PageStore, StoredPage, WikipediaPages, docstore
from ziggurat.tools.engines import DuckDuckGo, Found, SearchEngine, SerpApi, Wikipedia
from ziggurat.tools.files import files
from ziggurat.tools.index_search import index_search
from ziggurat.tools.mcp import mcp_tools
from ziggurat.tools.python import python_sandbox
from ziggurat.tools.settings import ToolSettings
from ziggurat.tools.sql import sql_tools
from ziggurat.tools.web import web_page, web_search
from ziggurat.tools.wording import describe, preferred
from ziggurat.tools.wrapping import as_tool

__all__ = [
    "DuckDuckGo",
    "Found",
    "IndexPages",
    "PageStore",
    "SearchEngine",
    "SerpApi",
    "StoredPage",
    "ToolSettings",
    "Wikipedia",
    "WikipediaPages",
    "acts",
    "as_tool",
    "calculator",
    "describe",
    "docstore",
    "files",
    "index_search",
    "marked",
    "mcp_tools",
    "preferred",
    "python_sandbox",
    "sql_tools",
    "web_page",
    "web_search",
]
