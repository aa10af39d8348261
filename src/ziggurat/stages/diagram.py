"""A chat model writes what a diagram shows; the typed result becomes a `Diagram`.

Two forms. A small model names roles (who uses it, what goes in, which steps, what comes out) and
the arrows follow from the roles; a large one writes nodes and arrows itself. Both are constrained
by a JSON schema, so what comes back can always be laid out. Nothing is drawn here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from ziggurat.drawing.spec import Diagram, Edge, Group, Node
from ziggurat.errors import PictureError
from ziggurat.stages.language import Language, language_of
from ziggurat.stages.prompting import StagePrompt

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import RunnableConfig

Plan = Literal["concept", "graph"]
PLANS: tuple[Plan, ...] = ("concept", "graph")

_ShortText = Annotated[str, StringConstraints(min_length=2, max_length=36)]


class Concept(BaseModel):
    """The roles in a concept, as a small model can name them."""

    title: str = Field(min_length=3, max_length=70, description="what the diagram shows")
    subject: _ShortText = Field(description="the topic itself")
    user: _ShortText = Field(description="who uses it")
    inputs: list[_ShortText] = Field(min_length=1, max_length=3, description="what it takes in")
    steps: list[_ShortText] = Field(min_length=2, max_length=4, description="what it does, in order")
    results: list[_ShortText] = Field(min_length=1, max_length=2, description="what comes out")

    def diagram(self) -> Diagram:
        """User and inputs lead into the framed steps of the subject, and these to the results."""
        nodes = [Node(id="user", label=self.user, kind="person" if _PERSON.search(self.user) else "service")]
        nodes += [Node(id=f"in{at}", label=one, kind=_input_kind(one)) for at, one in enumerate(self.inputs)]
        nodes += [Node(id=f"step{at}", label=one, kind="process") for at, one in enumerate(self.steps)]
        nodes += [Node(id=f"out{at}", label=one, kind="output") for at, one in enumerate(self.results)]
        last = len(self.steps) - 1
        edges = [Edge(source="user", target="step0", label="uses")]
        edges += [Edge(source=f"in{at}", target="step0") for at in range(len(self.inputs))]
        edges += [Edge(source=f"step{at}", target=f"step{at + 1}") for at in range(last)]
        edges += [Edge(source=f"step{last}", target=f"out{at}", label="gives") for at in range(len(self.results))]
        frame = Group(label=self.subject, nodes=tuple(f"step{at}" for at in range(len(self.steps))))
        return Diagram(title=_title(self.title), nodes=tuple(nodes), edges=tuple(edges), groups=(frame,))


_PERSON = re.compile(
    r"\b(?:user|people|person|team|staff|student|public|client|guest|analyst|citizen|reader|human)s?\b"
    r"|\w{3,}(?:ers?|ors?|ists?|ants?|ians?)\b|人|者|员|师|客户|用户|usu[áa]rio|pessoa|cliente|equipe|dor(?:es)?\b",
    re.IGNORECASE,
)
_DATA = re.compile(r"data\b|database|store|records?|index|table|库|数据|dados|datos|banco de", re.IGNORECASE)
_MODEL = re.compile(r"\bmodels?\b|\bgpt|\bllm|模型|modelos?\b", re.IGNORECASE)
_SERVICE = re.compile(
    r"\bapis?\b|service|platform|cloud|databricks|平台|服务|serviço|servicio|plataforma", re.IGNORECASE
)


def _input_kind(label: str) -> Any:
    for pattern, kind in ((_MODEL, "model"), (_DATA, "database"), (_SERVICE, "service")):
        if pattern.search(label):
            return kind
    return "document"


_KNOWN: dict[Language, str] = {"en": "Known facts: {}\n", "zh": "已知：{}\n", "pt": "Fatos conhecidos: {}\n"}


def prompt_for(plan: Plan) -> StagePrompt:
    """What a model is told: the prompt ``diagram.concept`` or ``diagram.graph``."""
    return StagePrompt(f"diagram.{plan}")


async def write_diagram(
    prompt: str, facts: str, model: BaseChatModel, plan: Plan, config: RunnableConfig | None = None
) -> Diagram:
    """Have a chat model write the diagram a prompt asks for.

    Args:
        prompt: What to draw.
        facts: Retrieved context, or nothing.
        model: The chat model.
        plan: ``"concept"`` for roles, ``"graph"`` for nodes and arrows.
        config: The LangChain configuration to call the model with.

    Raises:
        PictureError: If the model does not write a usable spec.
    """
    schema: type[BaseModel] = Concept if plan == "concept" else Diagram
    writer = model.with_structured_output(schema)
    language = language_of(prompt)
    known = _KNOWN.get(language, _KNOWN["en"]).format(facts) if facts else ""
    try:
        written = await writer.ainvoke(prompt_for(plan).filled(language, topic=prompt, facts=known), config)
    except (ValidationError, ValueError) as error:
        raise PictureError(
            "The model wrote no usable diagram.", where=prompt[:80], fix="ask for fewer things, or name another model"
        ) from error
    match written:
        case Concept():
            return written.diagram().tidy()
        case Diagram():
            return written.model_copy(update={"title": _title(written.title)}).tidy()
        case _:
            raise PictureError("The model wrote no diagram.", where=prompt[:80], fix="name another model")


_DRAW = re.compile(
    r"^(?:please )?(?:(?:draw|create|make|show)(?: me)? )?(?:an? |the )?(?:simple |conceptual |concept |block |architecture )?"
    r"(?:diagram|flow ?chart|schematic|picture|chart) (?:of|showing|for) (?:how )?",
    re.IGNORECASE,
)


def _title(text: str) -> str:
    """A title without "a diagram of" in front: the slide shows that it is one."""
    bare = _DRAW.sub("", text.strip()).strip() or text.strip()
    return bare[:1].upper() + bare[1:]
