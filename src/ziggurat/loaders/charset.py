"""Text whose encoding the file itself declares: HTML, mail, RTF.

Labels are read as browsers read them (the WHATWG table: "iso-8859-1" means windows-1252). A byte order
mark decides first. A declaration that turns out false is not hidden: what was done instead is in the
metadata.
"""

from __future__ import annotations

import codecs
from typing import Any

from ziggurat.loaders.text import MARKS

_LABELS = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "logical": "iso-8859-8",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "ms_kanji": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "big5": "cp950",
    "x-x-big5": "cp950",
    "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman",
    "utf8": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
}
_NOT_TEXT = frozenset({"base64", "bz2", "hex", "quopri", "rot13", "uu", "zlib", "punycode", "idna", "undefined"})
_ONE_BYTE = ("cp125", "iso8859", "mac", "koi8", "cp8", "cp4")
_MOST_WRONG = 0.02


def python_name(label: str | None) -> str | None:
    """What Python calls the encoding of a label, or None if there is none of that name."""
    label = (label or "").strip().strip("\"'").lower()
    name = _LABELS.get(label, label)
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return None if found.replace("-", "") in _NOT_TEXT or "escape" in found else found


def decode_declared(data: bytes, label: str | None) -> tuple[str, dict[str, Any]]:
    """Text from bytes whose file declares an encoding, and metadata that says what was done.

    In order: the byte order mark; the encoding declared; UTF-8; windows-1252, as browsers assume. The
    first that fits every byte is taken, but UTF-8 goes before encodings of one byte a letter, which fit
    anything: no text in those is UTF-8 by chance. If none fits, the declared one is, and bytes that do not fit
    become U+FFFD, counted in ``replaced_characters``.

    Args:
        data: The text's bytes.
        label: The declared encoding, None if nothing is declared.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), _said(encoding, label)
    declared = python_name(label)
    fits_anything = declared is not None and declared.startswith(_ONE_BYTE)
    for name in ("utf-8", declared) if fits_anything and not data.isascii() else (declared, "utf-8"):
        if name is not None:
            try:
                return data.decode(name), _said(name, label)
            except ValueError:
                continue
    if declared is not None:
        text = data.decode(declared, "replace")
        wrong = text.count("\ufffd")
        if wrong <= max(1, _MOST_WRONG * len(text)):
            return text, _said(declared, label) | {"replaced_characters": wrong}
    try:
        return data.decode("cp1252"), _said("cp1252", label)
    except UnicodeDecodeError:
        text = data.decode(declared or "cp1252", "replace")
        return text, _said(declared or "cp1252", label) | {"replaced_characters": text.count("\ufffd")}


def _said(name: str, label: str | None) -> dict[str, Any]:
    name = name.removesuffix("-sig")
    said: dict[str, Any] = {} if name == "utf-8" else {"encoding": name}
    if label and python_name(label) != name:
        said["declared_encoding"] = label.strip()[:40]
        said["encoding"] = name
    return said
