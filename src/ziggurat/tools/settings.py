"""Tools by name, as a chain file or a command line says them: ``calculator``, ``{index_search: {index: kb}}``.

Each entry names one kind of tool and its settings. What a kind does is its own room's; here is the table.
Invariant: nothing is started, fetched or imported by reading settings; `ToolSettings.open` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from langchain_core.tools import BaseTool
from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ziggurat.chain.spec.registry import FolderPath, StageSettings
from ziggurat.tools.bounds import CHARACTERS


class CalculatorSettings(StageSettings):
    """Arithmetic."""

    def open(self) -> list[BaseTool]:
        """The tool."""
        from ziggurat.tools.calculator import calculator

        return [calculator()]


class IndexSearchSettings(StageSettings):
    """Search of an index."""

    index: FolderPath = Field(description="The folder of the index to search.")
    k: Annotated[int, Field(ge=1, le=50)] = Field(4, description="Passages to return.")
    about: str = Field("", description="What the documents are; a model is told.")
    name: str = Field("index_search", description="What a model calls it.")

    def open(self) -> list[BaseTool]:
        """The tool."""
        from ziggurat.tools.index_search import index_search

        return [index_search(self.index, k=self.k, about=self.about, name=self.name)]


class DocstoreSettings(StageSettings):
    """Search and Lookup over an index, or over Wikipedia where none is named."""

    index: FolderPath | None = Field(None, description="The folder of the index; left out, Wikipedia.")
    language: str = Field("en", description="Wikipedia's language.")
    address: str | None = Field(None, description="Of another MediaWiki.")

    def open(self) -> list[BaseTool]:
        """The two tools."""
        from ziggurat.tools.docstore import WikipediaPages, docstore
        from ziggurat.tools.engines import Wikipedia

        if self.index is not None:
            return docstore(self.index)
        return docstore(WikipediaPages(Wikipedia(language=self.language, address=self.address)))


class WebSearchSettings(StageSettings):
    """Search of the web."""

    engine: Literal["duckduckgo", "serpapi", "wikipedia"] = Field("duckduckgo", description="Who searches.")
    results: Annotated[int, Field(ge=1, le=20)] = Field(5, description="Results at most.")
    address: str | None = Field(None, description="Of another server that answers as the engine does.")

    def open(self) -> list[BaseTool]:
        """The tool."""
        from ziggurat.tools.web import web_search

        more: dict[str, Any] = {} if self.address is None else {"address": self.address}
        return [web_search(self.engine, results=self.results, **more)]


class WebPageSettings(StageSettings):
    """A page of the web as text. Private addresses cannot be allowed in a file."""

    characters: Annotated[int, Field(ge=100)] = Field(2 * CHARACTERS, description="Of a page's text at most.")
    seconds: Annotated[float, Field(gt=0)] = Field(30.0, description="A page may take.")

    def open(self) -> list[BaseTool]:
        """The tool."""
        from ziggurat.tools.web import web_page

        return [web_page(characters=self.characters, seconds=self.seconds)]


class PythonSettings(StageSettings):
    """Python in a sandbox."""

    seconds: Annotated[float, Field(gt=0, le=600)] = Field(5.0, description="A program may take.")
    megabytes: Annotated[int, Field(ge=1, le=4096)] = Field(64, description="A program may hold.")

    def open(self) -> list[BaseTool]:
        """The tool."""
        from ziggurat.tools.python import python_sandbox

        return [python_sandbox(seconds=self.seconds, megabytes=self.megabytes)]


class FilesSettings(StageSettings):
    """The files of one folder."""

    root: FolderPath = Field(description="The folder; nothing outside of it is reached.")
    write: bool = Field(default=False, description="Whether there is a tool that writes; it acts on the world.")

    def open(self) -> list[BaseTool]:
        """The tools."""
        from ziggurat.tools.files import files

        return files(self.root, write=self.write)


class SqlSettings(StageSettings):
    """Questions to a database, read-only: its file or its address, and one of them only."""

    file: FolderPath | None = Field(None, description="A SQLite or DuckDB file.")
    address: str | None = Field(None, description="A SQLAlchemy address without a password in it.")
    tables: list[str] | None = Field(None, description="The only tables that may be read; left out, all.")
    rows: Annotated[int, Field(ge=1, le=1000)] = Field(50, description="Rows that a query gives at most.")
    seconds: Annotated[float, Field(gt=0)] = Field(10.0, description="A query is stopped after this long.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.address is None):
            raise ValueError("give the database's file or its address")
        return self

    def open(self) -> list[BaseTool]:
        """The tools."""
        from ziggurat.tools.sql import sql_tools

        given = self.file or str(self.address)
        return sql_tools(given, tables=self.tables, rows=self.rows, seconds=self.seconds)


class McpSettings(StageSettings):
    """The tools of an MCP server."""

    command: list[str] = Field(default_factory=list, description="Starts the server.")
    url: str | None = Field(None, description="Where it listens, instead of a command.")
    only: list[str] | None = Field(None, description="The tools to take; left out, all.")
    reads: list[str] = Field(default_factory=list, description="Those that only read, so that nobody need be asked.")
    prefix: str = Field("", description="Put before each name.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("one of command and url")
        return self

    def open(self) -> list[BaseTool]:
        """The tools; starts the server."""
        from ziggurat.tools.mcp import mcp_tools

        return mcp_tools(self.command, self.url, only=self.only, reads=self.reads, prefix=self.prefix)


class ToolSettings(StageSettings):
    """One kind of tool with its settings: exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    calculator: CalculatorSettings | None = Field(None, description="Arithmetic.")
    index_search: IndexSearchSettings | None = Field(None, description="Search of an index.")
    docstore: DocstoreSettings | None = Field(None, description="Search and Lookup over an index or Wikipedia.")
    web_search: WebSearchSettings | None = Field(None, description="Search of the web.")
    web_page: WebPageSettings | None = Field(None, description="A page of the web as text.")
    python: PythonSettings | None = Field(None, description="Python in a sandbox.")
    files: FilesSettings | None = Field(None, description="The files of one folder.")
    sql: SqlSettings | None = Field(None, description="Questions to a database, read-only.")
    mcp: McpSettings | None = Field(None, description="The tools of an MCP server.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"one kind of tool: {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> str:
        """Which kind it is."""
        (kind,) = self.model_fields_set
        return kind

    @property
    def chosen(self) -> Any:
        """The settings of that kind."""
        return getattr(self, self.kind)

    @property
    def leads_outside(self) -> bool:
        """Whether opening it starts a program or reaches a server that a stranger's file may name."""
        return self.mcp is not None or (self.sql is not None and self.sql.address is not None)

    def open(self) -> list[BaseTool]:
        """The tools that these settings describe."""
        opened: list[BaseTool] = self.chosen.open()
        return opened


def _named(given: Any) -> Any:
    """A kind's name alone, or with nothing after it, stands for the kind as it is."""
    if isinstance(given, str):
        return {given: {}}
    if isinstance(given, Mapping):
        return {key: {} if value is None else value for key, value in given.items()}
    return given


ToolEntry = Annotated[ToolSettings, BeforeValidator(_named)]
"""A tool in settings: a kind's name, or a mapping from it to its settings."""

KINDS = tuple(ToolSettings.model_fields)
"""The kinds of tools there are, by name."""

NAME_ALONE = ("calculator", "docstore", "web_search", "web_page", "python")
"""Those that need no settings."""
