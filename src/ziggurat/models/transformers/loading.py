"""A model of the transformers library and its tokenizer, read once a process and used one call at a time.

Both kinds: decoders that go on writing, and encoder-decoders that rewrite what they read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from ziggurat.errors import ModelUnavailable

_KEPT = 2


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready.

    Attributes:
        model: The transformers model, in evaluation mode.
        tokenizer: Its tokenizer.
        rewrites: Whether it is an encoder-decoder.
        lock: Held for the length of one generation.
    """

    model: Any
    tokenizer: Any
    rewrites: bool
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Which:
    """What tells two loaded models apart.

    Attributes:
        name: A folder, or a repository of the hub.
        revision: Of the repository.
        device: Such as ``cpu``, ``cuda`` or ``auto``.
        dtype: Such as ``float32`` or ``auto``.
    """

    name: str
    revision: str | None
    device: str
    dtype: str


@lru_cache(maxsize=_KEPT)
def load(which: Which) -> Loaded:
    """Read a model.

    Raises:
        ModelUnavailable: If it cannot be read.
    """
    import torch
    import transformers

    name = which.name
    options = {"revision": which.revision, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(name, **options)
        rewrites = bool(getattr(config, "is_encoder_decoder", False))
        kind = transformers.AutoModelForSeq2SeqLM if rewrites else transformers.AutoModelForCausalLM
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
        model = kind.from_pretrained(name, dtype=which.dtype, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError) as error:
        raise unavailable(name, error) from error
    place = ("cuda" if torch.cuda.is_available() else "cpu") if which.device == "auto" else which.device
    return Loaded(cast("Any", model).to(place).eval(), tokenizer, rewrites)


def unavailable(name: str, error: Exception) -> ModelUnavailable:
    """What to say of a model that cannot be read."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    here = Path(name).exists()
    return ModelUnavailable(
        f"The model cannot be read: {first}",
        where=f"transformers:{name}",
        fix="a folder holds config.json, the tokenizer and *.safetensors"
        if here
        else "check the name, or name a folder that exists",
    )
