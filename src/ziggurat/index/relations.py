"""Which words of a question matter, and what a question about relatives is answered with.

Words are compared by their first letters, so that "director" meets "directed"; a small list per
language leaves out words that say nothing. Kinship is the one field where question and passage use
different words as a rule ("father-in-law" and "married the daughter of"), so its words stand together.
Pure functions over texts.
"""

from __future__ import annotations

from ziggurat.index.names import words

_STEM = 5

_SILENT = frozenset(
    """
    the a an of is was were are in on at to for and or by with from who whom whose what which when where how why does do
    did has have had his her its their he she it they both same than more that this these those film movie
    el la los las un una unos unas de del en y o a al con por para que quien quién cual cuál cuando cuándo donde dónde
    como cómo es era fue son su sus
    o os as um uma uns umas do da dos das em e no na nos nas com por para que quem qual quando onde como é era foi são seu sua
    的 了 是 在 和 与 有 谁 什 么 哪 里 何 时 吗 呢 一 个 这 那
    """.split()
)

_ASKED = "father mother wife husband spouse parent grandfather grandmother grandson sister brother sibling child children son daughter uncle aunt maternal paternal stepfather stepmother nephew niece cousin"
_SAID = "married marriage wife husband spouse daughter son father mother sibling brother sister child children widow eldest younger nephew uncle cousin grandson grandfather"
_ASKED_ES_PT = "padre madre esposa esposo marido mujer abuelo abuela hermano hermana hijo hija tío tía suegro suegra primo pai mãe avô avó irmão irmã filho filha sogro sogra"
_SAID_ES_PT = "casado casada casó casou matrimonio casamento esposa esposo marido hijo hija filho filha padre madre pai mãe hermano hermana irmão irmã viuda viúva"
_KIN_HANZI = "父 母 妻 夫 儿 女 子 兄 弟 姐 妹 祖 孙 叔 姑 舅 嫁 娶 婚"


def stems(text: str) -> frozenset[str]:
    """The telling words of a text, by their first five letters."""
    return frozenset(word.folded[:_STEM] for word in words(text) if word.folded not in _SILENT)


_ASKS = stems(f"{_ASKED} {_ASKED_ES_PT} {_KIN_HANZI}")
_SAYS = stems(f"{_SAID} {_SAID_ES_PT} {_KIN_HANZI}")


def asks_for_kin(question: frozenset[str]) -> bool:
    """Whether a question with these stems asks for a relative."""
    return not question.isdisjoint(_ASKS)


def names_kin(passage: frozenset[str]) -> bool:
    """Whether words with these stems tell who is whose relative."""
    return not passage.isdisjoint(_SAYS)
