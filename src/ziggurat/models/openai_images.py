"""`OpenAIImages`: pictures from OpenAI's images API, or Azure's form of it.

Holds what the API wants said (sizes, formats) and turns its failures into our errors. Knows nothing of
keys: clients are made by whoever opens it, at the first picture. Invariant: no text that came with an
error leaves here with a key in it.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ziggurat.errors import InputError, ModelUnavailable, PictureError, ZigguratError
from ziggurat.picture import Picture

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI
    from openai.types import ImagesResponse

Size = tuple[int, int]

_SIZES: dict[str, tuple[Size, ...]] = {
    "dall-e-2": ((256, 256), (512, 512), (1024, 1024)),
    "dall-e-3": ((1024, 1024), (1792, 1024), (1024, 1792)),
}
_GPT_IMAGE_SIZES: tuple[Size, ...] = ((1024, 1024), (1536, 1024), (1024, 1536))
_PNG = b"\x89PNG\r\n\x1a\n"


class OpenAIImages:
    """An image model of the images API.

    Args:
        spec: The model spec, for the pictures' records.
        model: The model, or Azure's deployment, that is asked.
        family: The model whose rules about sizes apply, where ``model`` is a deployment's name.
        client: Makes the blocking client.
        aclient: Makes the asynchronous client.
        options: Further parameters of every request, for example ``quality``.
    """

    def __init__(
        self,
        spec: str,
        model: str,
        *,
        client: Callable[[], OpenAI],
        aclient: Callable[[], AsyncOpenAI],
        family: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.spec = spec
        self._model = model
        self._family = family or model
        self._client = client
        self._aclient = aclient
        self._options = dict(options or {})

    def generate(self, prompt: str, *, size: Size | None = None) -> Picture:
        """Draw ``prompt``.

        Args:
            prompt: What to draw.
            size: Width and height in pixels; the nearest size the model offers is drawn. The
                picture says which one that was.

        Raises:
            InputError: If the prompt is empty.
            PictureError: If the service refuses the prompt, or what it sends is no picture.
            ModelUnavailable: If the service cannot be reached, refuses the key, or is overloaded.
        """
        request = self._request(prompt, size)
        try:
            with self._client() as client:
                response = client.images.generate(**request)
        except _failures() as error:
            raise self._fault(error) from None
        return self._picture(prompt, response)

    async def agenerate(self, prompt: str, *, size: Size | None = None) -> Picture:
        """The same without blocking."""
        request = self._request(prompt, size)
        try:
            async with self._aclient() as client:
                response = await client.images.generate(**request)
        except _failures() as error:
            raise self._fault(error) from None
        return self._picture(prompt, response)

    def _request(self, prompt: str, size: Size | None) -> dict[str, Any]:
        if not prompt.strip():
            raise InputError("The prompt of a picture is empty.", where=self.spec)
        request: dict[str, Any] = {"model": self._model, "prompt": prompt, "n": 1}
        if self._family.startswith("dall-e"):
            request["response_format"] = "b64_json"
        else:
            request["output_format"] = "png"
        if size is not None:
            width, height = nearest_size(size, _SIZES.get(self._family, _GPT_IMAGE_SIZES))
            request["size"] = f"{width}x{height}"
        return {**request, **self._options}

    def _picture(self, prompt: str, response: ImagesResponse) -> Picture:
        encoded = response.data[0].b64_json if response.data else None
        try:
            data = base64.b64decode(encoded or "", validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if not data.startswith(_PNG) or len(data) < len(_PNG) + 16:
            raise PictureError("The service did not send a PNG picture.", where=self.spec)
        width, height = struct.unpack(">II", data[16:24])
        provenance = {"maker": self.spec}
        revised = response.data[0].revised_prompt if response.data else None
        if revised:
            provenance["revised prompt"] = revised
        return Picture(
            data=data,
            format="png",
            width=width,
            height=height,
            prompt=prompt,
            kind="photo",
            model=self.spec,
            provenance=provenance,
        )

    def _fault(self, error: Exception) -> ZigguratError:
        """The client's exception as one of ours. Its own text may quote the key, so only known parts are used."""
        import openai

        status = getattr(error, "status_code", None)
        said = f"status {status}, code {getattr(error, 'code', None) or 'none'}"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return ModelUnavailable(f"The service refuses the key ({said}).", where=self.spec, fix="check the API key")
        if isinstance(error, openai.NotFoundError):
            return ModelUnavailable(
                f"The service has no such image model ({said}).", where=self.spec, fix="check the name and the address"
            )
        if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            return PictureError(
                f"The service refuses to draw this ({said}).",
                where=self.spec,
                fix="rephrase the prompt; a content filter may have stopped it",
            )
        if isinstance(error, openai.APIStatusError):
            return ModelUnavailable(f"The service fails ({said}).", where=self.spec, fix="try again later")
        if isinstance(error, openai.APIConnectionError):
            return ModelUnavailable(
                f"The service cannot be reached ({type(error).__name__}).", where=self.spec, fix="check the network"
            )
        return PictureError(f"The service's answer cannot be read ({type(error).__name__}).", where=self.spec)


def _failures() -> tuple[type[Exception], ...]:
    """What the SDK raises: its own errors, and a ValueError for a body that is no JSON."""
    import openai

    return openai.OpenAIError, ValueError


def nearest_size(wanted: Size, offered: tuple[Size, ...]) -> Size:
    """The offered size nearest in shape, and then in area.

    Raises:
        InputError: If a side is not positive.
    """
    if min(wanted) < 1:
        raise InputError(f"{wanted[0]}x{wanted[1]} is not a size in pixels.")

    def distance(size: Size) -> tuple[float, float]:
        shape = abs(math.log(size[0] / size[1]) - math.log(wanted[0] / wanted[1]))
        area = abs(math.log(size[0] * size[1]) - math.log(wanted[0] * wanted[1]))
        return round(shape, 6), area

    return min(offered, key=distance)
