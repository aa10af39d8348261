"""`ImageGeneration`: a prompt becomes a `Picture`, by an image model or, with no key, by drawing.

With no image model named, a prompt that asks for a diagram becomes one (a chat model writes the
spec, from retrieved context where a retriever is given), and any other becomes an illustration that says so. What a
picture came from is written into the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.vectorstores import VectorStore
from pydantic import Field

from ziggurat import models
from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.run.metering import spend
from ziggurat.chain.spec.registry import FolderPath, ModelName, StageSettings
from ziggurat.chain.stage import CallBound, Param
from ziggurat.drawing.layout import best_layout
from ziggurat.drawing.raster import MAX_SIDE, rasterise, with_text
from ziggurat.drawing.scene import is_diagram, paint
from ziggurat.drawing.spec import Diagram
from ziggurat.drawing.svg import diagram_svg
from ziggurat.errors import InputError
from ziggurat.picture import Picture
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.diagram import PLANS, Plan, prompt_for, write_diagram
from ziggurat.stages.retrieve import index_setting, pinned
from ziggurat.stages.settings import call_bound, model_identity, open_index, spec_setting

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.language_models import BaseChatModel

    from ziggurat.specs import ImageModel

_LONGEST_PROMPT = 4000
_FACT_CHARACTERS = 600
_FACTS = 2
_SMALLEST_SIDE = 320
_SPEC = "ziggurat:drawing"


_Side = Annotated[int, Field(strict=True, ge=_SMALLEST_SIDE, le=MAX_SIDE)]


class ImageSettings(StageSettings):
    """What makes the picture, from what, and how large."""

    model: ModelName | None = Field(None, description="An image model's spec; left out, pictures are drawn here.")
    chat: ModelName | None = Field(
        None, description="The spec of the model that writes diagrams; left out, the local one."
    )
    index: FolderPath | None = Field(None, description="The folder of an index with facts for diagrams.")
    size: Annotated[tuple[_Side, _Side], Field(strict=False)] | None = Field(
        None, description="Width and height in pixels."
    )
    plan: Plan | None = Field(
        None, description="How a diagram is written: roles (concept) or nodes and arrows (graph)."
    )
    name: str | None = Field(None, description="What it is called in traces.")


class ImageGeneration(StageRunnable[Picture]):
    """Make a picture.

    Args:
        model: An image model or its spec, such as ``openai:gpt-image-1``. With None nothing is
            paid or downloaded but the chat model: diagrams and illustrations are drawn here.
        chat: The chat model that writes a diagram's spec; the local one when none is named.
        retriever: Where facts for a diagram come from: a vector store, a retriever, or None.
        size: Width and height in pixels; None for 1600 x 900, or the image model's own.
        plan: How a diagram's spec is written; None for roles with a local model, and nodes and
            arrows with any other.
        name: What to call it in traces.

    Input: ``prompt`` (str). Output: `Picture`, a PNG.

    Raises:
        InputError: For a prompt that is empty or too long, or a size that cannot be drawn.
        PictureError: If the picture cannot be made.
    """

    def __init__(
        self,
        model: str | ImageModel | None = None,
        *,
        chat: str | BaseChatModel | None = None,
        retriever: VectorStore | Runnable[str, list[Document]] | None = None,
        size: tuple[int, int] | None = None,
        plan: Plan | None = None,
        name: str | None = None,
    ) -> None:
        if size is not None and not all(_SMALLEST_SIDE <= side <= MAX_SIDE for side in size):
            raise InputError(
                f"A picture of {size[0]} x {size[1]} pixels cannot be made.",
                fix=f"sides from {_SMALLEST_SIDE} to {MAX_SIDE} pixels",
            )
        self.model = models.images(model) if isinstance(model, str) else model
        self.chat = models.chat(chat) if self.model is None else None
        self.retriever = (
            retriever.as_retriever(search_kwargs={"k": _FACTS}) if isinstance(retriever, VectorStore) else retriever
        )
        self.size = size
        self.plan = plan
        self._given = {"model": model, "chat": chat}
        self.name = name or "ImageGeneration"

    Settings = ImageSettings

    @classmethod
    def from_settings(cls, settings: ImageSettings) -> Self:
        """The stage that settings describe; its index is opened for reading."""
        return cls(
            settings.model,
            chat=settings.chat,
            retriever=None if settings.index is None else open_index(settings.index),
            size=settings.size,
            plan=settings.plan,
            name=settings.name,
        )

    def settings(self) -> ImageSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If a model or its retriever was given open.
        """
        index = None if self.retriever is None else index_setting(self.retriever, _FACTS, "ImageGeneration")
        return ImageSettings(
            model=spec_setting(self._given["model"], "model", "ImageGeneration"),
            chat=spec_setting(self._given["chat"], "chat", "ImageGeneration"),
            index=index,
            size=self.size,
            plan=self.plan,
            name=None if self.name == "ImageGeneration" else self.name,
        )

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The image model, or the chat model and the index that diagrams are written from."""
        size = None if self.size is None else list(self.size)
        if isinstance(self._given["model"], str):
            return self._identity(model=self._given["model"], how=[size])
        if self.model is not None:  # a model given open may hold options that its spec does not tell
            return self._identity(model=getattr(self.model, "stage_identity", None), how=[size])
        facts = "none" if self.retriever is None else getattr(self.retriever, "stage_identity", None)
        chat = model_identity(self._given["chat"], {}, self.chat)
        words = [prompt_for(plan).identity for plan in PLANS if self.plan in (None, plan)]
        return self._identity(chat=chat, facts=facts, how=[size, self.plan], prompts=words)

    def stage_pin(self) -> AbstractContextManager[Any]:
        """What its facts come from, held still for the length of a run."""
        return pinned(self.retriever)

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """A call of the image model, or of the chat model that writes a diagram; an illustration asks nobody."""
        if self.model is not None:
            provider, _, name = self.model.spec.partition(":")
            return [CallBound(name, provider)]
        if inputs is not None and not is_diagram(str(inputs["prompt"])):
            return []
        return [call_bound(self.chat or models.chat(), None)]

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The prompt."""
        return (Param("prompt", str),)

    @property
    def stage_output(self) -> Any:
        """A `Picture`."""
        return Picture

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Picture:
        prompt = inputs["prompt"]
        if not isinstance(prompt, str) or not prompt.strip():
            raise InputError("The prompt of a picture is empty.", where=self.get_name(), fix="say what to draw")
        if len(prompt) > _LONGEST_PROMPT:
            raise InputError(
                f"The prompt is {len(prompt):,} characters long; {_LONGEST_PROMPT:,} is the limit.",
                where=self.get_name(),
                fix="summarise it first",
            )
        if self.model is not None:
            provider, _, name = self.model.spec.partition(":")
            with spend(name, provider):
                return _documented(await self.model.agenerate(prompt, size=self.size))
        if is_diagram(prompt):
            return await self._diagram(prompt, config)
        return await in_thread(lambda: self._illustration(prompt))

    async def _diagram(self, prompt: str, config: RunnableConfig) -> Picture:
        chat = self.chat or models.chat()
        found = await self.retriever.ainvoke(prompt, config) if self.retriever is not None else []
        facts = " ".join(" ".join(one.page_content.split())[:_FACT_CHARACTERS] for one in found[:_FACTS])
        spec = _spec_of(chat)
        plan: Plan = self.plan or ("concept" if spec.startswith(("local:", "fake:")) else "graph")
        diagram = await write_diagram(prompt, facts, chat, plan, config)
        sources = ", ".join(str(one.metadata.get("source", one.id)) for one in found[:_FACTS])
        return await in_thread(lambda: self._draw(diagram, prompt, spec, sources))

    def _draw(self, diagram: Diagram, prompt: str, spec: str, sources: str) -> Picture:
        width, height = self.size or (1600, 900)
        layout = best_layout(diagram, width * 0.91, height * 0.74)
        caption = f"Diagram written by {spec}" + (f" from {sources}" if sources else "")
        svg = diagram_svg(layout, diagram.title, caption, width=width, height=height)
        provenance = {
            "Title": diagram.title,
            "Description": prompt,
            "Software": f"Ziggurat; spec by {spec}",
            "Sources": sources,
            "Spec": diagram.model_dump_json(),
        }
        kept = {key: value for key, value in provenance.items() if value}
        return Picture(rasterise(svg, kept), "png", width, height, prompt, "diagram", spec, svg, kept)

    def _illustration(self, prompt: str) -> Picture:
        width, height = self.size or (1600, 900)
        scene = paint(prompt, width=width, height=height)
        provenance = {
            "Title": "Illustration",
            "Description": prompt,
            "Software": f"Ziggurat; painted by a program with seed {scene.seed}",
            "Comment": f"Recognised: {', '.join(scene.things) or 'nothing in the prompt'}; light: {scene.mood}",
        }
        png = rasterise(scene.svg, provenance)
        return Picture(png, "png", width, height, prompt, "illustration", _SPEC, scene.svg, provenance)


def _spec_of(chat: BaseChatModel) -> str:
    """The model's spec, or what it calls itself."""
    told = (getattr(chat, name, "") for name in ("spec", "model_name", "model"))
    return next((str(one) for one in told if one), chat.get_name())


def _documented(picture: Picture) -> Picture:
    """The same picture with its story in the file, where the format can hold it."""
    if picture.format != "png":
        return picture
    provenance = {**picture.provenance, "Description": picture.prompt, "Software": f"Ziggurat; {picture.model}"}
    return replace(picture, data=with_text(picture.data, provenance), provenance=provenance)
