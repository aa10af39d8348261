"""The calculator as a tool. What it can work out is `arithmetic`'s."""

from __future__ import annotations

from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from ziggurat.tools.arithmetic import FUNCTIONS, calculate
from ziggurat.tools.making import make

_DESCRIPTION = (
    "Works out arithmetic exactly: + - * / // % **, brackets, "
    f"and the functions {', '.join(FUNCTIONS)}. Use it for every calculation with numbers, "
    "however simple. It knows no units, no variables and no words."
)


class Expression(BaseModel):
    """What is to be worked out."""

    expression: str = Field(
        description="The arithmetic, such as (12.5 * 4) / 3, 15% * 240 or sqrt(2).", max_length=1000
    )


def calculator() -> BaseTool:
    """A tool that works out arithmetic, without evaluating any code."""
    return make("calculator", _DESCRIPTION, Expression, calculate)
