"""Where a batch's chain comes from, so that any worker can build it: a file by preference, never a pickle of ours.

A chain file and what it uses is data that travels; a Python file is executed by each worker. A chain that was made in
code is written as a chain file if it can be; else a function that builds it is what travels, by Spark's own means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.target import is_chain_file, load_multichain
from ziggurat.errors import BatchError, InputError, SpecError

_CHAIN_FILE = "chain.yaml"


@dataclass(frozen=True, slots=True)
class ChainSource:
    """A chain, and how to make it again.

    Attributes:
        chain: The chain, in this process.
        target: ``CHAIN.yaml`` or ``FILE.py:NAME``; empty if there is no file.
        functions: Python whose functions the chain file uses, or None.
        build: A function that makes the chain, or None.
    """

    chain: MultiChain
    target: str = ""
    functions: Path | None = None
    build: Callable[[], Any] | None = None

    @classmethod
    def of(cls, chain: Any, functions: str | Path | None = None) -> ChainSource:
        """What somebody gave as a chain.

        Args:
            chain: A `MultiChain`, ``CHAIN.yaml``, ``FILE.py:NAME``, or a function that takes nothing and makes one.
            functions: Python whose functions a chain file uses. It is executed.

        Raises:
            InputError: If it is none of these.
            SpecError: If a chain file has something wrong in it.
        """
        where = Path(functions) if functions is not None else None
        if isinstance(chain, str | Path):
            return cls(load_multichain(str(chain), where), str(chain), where)
        if isinstance(chain, MultiChain):
            target = chain.settings.target
            return cls(chain, target if target and Path(target.rpartition(":")[0] or target).is_file() else "", where)
        if callable(chain):
            made = chain()
            if not isinstance(made, MultiChain):
                raise InputError(
                    f"The function made a {type(made).__name__}, not a MultiChain.", fix="return MultiChain(...)"
                )
            return cls(made, build=chain)
        raise InputError(f"A {type(chain).__name__} is no chain.", fix="a MultiChain, a chain file, or FILE.py:NAME")

    @contextmanager
    def files(self) -> Iterator[tuple[str, list[Path]]]:
        """The target's name and the files it needs, for a ``with`` block; none if a function builds it.

        Raises:
            BatchError: If the chain has no form that another process could read.
        """
        if self.build is not None:
            yield "", []
            return
        if self.target:
            file = Path(self.target if is_chain_file(self.target) else self.target.rpartition(":")[0])
            name = file.name + self.target[len(str(file)) :] if not is_chain_file(self.target) else file.name
            yield name, [file, *([self.functions] if self.functions else [])]
            return
        try:
            text = self.chain.to_yaml()
        except SpecError as error:
            raise BatchError(
                f"Other processes cannot build this chain: {error.what}",
                fix="give its chain file, FILE.py:NAME, or a function that takes nothing and makes it",
            ) from error
        with TemporaryDirectory(prefix="ziggurat-chain-") as folder:
            path = Path(folder) / _CHAIN_FILE
            path.write_text(text, "utf-8")
            yield path.name, [path]
