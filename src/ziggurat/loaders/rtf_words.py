"""What the words of RTF mean, as tables; `rtf` reads them. After the RTF Specification 1.9.1."""

from __future__ import annotations

from collections.abc import Mapping

CHARSETS: Mapping[int, str] = {
    0: "cp1252",
    2: "symbol",
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gb18030",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}
"""The encoding of each font's character set."""

PLATFORMS: Mapping[str, str] = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
"""The encoding of a document that names no code page."""

MEANING: Mapping[str, str] = {
    "par": "\n",
    "line": "\n",
    "sect": "\n\n",
    "page": "\n\n",
    "row": "\n",
    "nestrow": "\n",
    "cell": "\x1f",
    "nestcell": "\x1f",
    "tab": "\t",
    "emdash": "—",
    "endash": "–",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
}
"""Words that stand for a text."""

SIGNS: Mapping[bytes, str] = {b"~": " ", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\t": "\t"}
"""Signs that stand for a text; an optional hyphen stands for none."""

BULLETS: Mapping[int, str] = {0xA7: "▪", 0xA8: "□", 0xB7: "•", 0xD8: "➢", 0xFC: "✓", 0xFE: "☑"}
"""What symbol fonts draw at their most used places."""

LEFT_OUT: frozenset[str] = frozenset(
    "colortbl stylesheet pict objdata fldinst filetbl listtable listoverridetable revtbl rsidtbl generator themedata"
    " colorschememapping datastore latentstyles xe tc bkmkstart bkmkend atnid atnauthor atndate atnref atnparent"
    " atrfstart atrfend nonesttables template nonshppict falt panose fontemb fontfile upr sp sn sv pn pnseclvl"
    " ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn userprops docvar formfield ffname ffdeftext ffl author operator"
    " creatim revtim printim buptim company doccomm keywords subject category manager hlinkbase".split()
)
"""Groups whose text is not shown."""

SHOWN_THOUGH_STARRED: frozenset[str] = frozenset("shpinst shptxt shpgrp shppict ud annotation pntext listtext".split())
"""Groups that readers may pass over, and whose text is shown all the same."""
