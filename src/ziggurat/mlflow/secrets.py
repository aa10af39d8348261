"""Keys and passwords that would be logged with a chain: found and refused, never shown.

Looks for what this process's environment holds under names such as ``OPENAI_API_KEY``, and for texts that have
the form of a key. It cannot know every secret; it knows the ones people leave in files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ziggurat.errors import InputError

_NAMES = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PAT)(?:$|_)", re.IGNORECASE)
_SHORTEST = 12
_TEXTS = frozenset({".py", ".yaml", ".yml", ".json", ".jsonl", ".toml", ".ini", ".cfg", ".txt", ".md", ".env", ""})
_LONGEST = 4_000_000
_FORMS = re.compile(
    r"\b(?:sk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}|dapi[0-9a-f]{32}(?:-\d)?|hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|AKIA[0-9A-Z]{16}|xox[bp]-[A-Za-z0-9-]{20,})\b|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\w+://[^\s/:@]+:[^\s/:@{}$]+@"
)


def refuse_secrets(folder: Path) -> None:
    """Look through the texts in a folder.

    Raises:
        InputError: If one holds a secret; the message says where, and never what.
    """
    held = _held()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix.lower() in _TEXTS and path.stat().st_size <= _LONGEST:
            text = path.read_text(encoding="utf-8", errors="replace")
            refuse_secret(text, str(path.relative_to(folder)), held)


def refuse_secret(text: str, where: str, held: dict[str, str] | None = None) -> None:
    """`refuse_secrets` of one text."""
    held = _held() if held is None else held
    found = [name for name, value in held.items() if value in text]
    match = _FORMS.search(text)
    if not found and match is None:
        return
    line = text[: match.start() if match else text.index(held[found[0]])].count("\n") + 1
    what = f"the value of {found[0]}" if found else "a text with the form of a key or a password"
    raise InputError(
        f"It holds {what}; nothing was logged.",
        where=f"{where}:{line}",
        fix="read it from the environment where the model is served",
    )


def _held() -> dict[str, str]:
    """What this process's environment holds under names that secrets have."""
    return {name: value for name, value in os.environ.items() if _NAMES.search(name) and len(value) >= _SHORTEST}
