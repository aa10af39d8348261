"""Which language a short text is in, as far as answering needs it: en, zh, pt or es.

A handful of function words and the script decide; nothing is trained and nothing is loaded. A text it
cannot place counts as English.
"""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "zh", "pt", "es"]

_FUNCTION_WORDS: dict[Language, frozenset[str]] = {
    "en": frozenset(
        "a about after all also an and any are as at be been before being between both but by can could did do does "
        "during each else for from had has have having he her his how i if in into is it its itself just like many "
        "may me more most much must my no nor not of off on one only or other our out over own same shall she should "
        "so some such tell than that the their them then there these they this those through to too under until up "
        "upon us was we were what when where which while who whom whose why will with within without would you your "
        "name give list describe explain please".split()
    ),
    "pt": frozenset(
        "a ao aos as com como da das de do dos e ela ele eles em entre era essa esse esta este eu foi foram for há isso "
        "isto já lhe mais mas me mesmo muito na não nas nem no nos nós num numa o onde os ou para pela pelo pelos "
        "por porque quais qual quando quanto quantos que quem se sem seu seus são sobre sua suas só também te tem têm "
        "um uma você à às é fale diga".split()
    ),
    "es": frozenset(
        "a al algo ante como con cuál cuáles cuándo cuánto cuántos cómo de del desde donde dónde e el ella ellos en "
        "entre era es esa ese eso esta este esto está están fue fueron ha hay la las le les lo los más me mi muy no nos "
        "o para pero por porque que quien quién qué se sin sobre son su sus sí también te tiene todo un una uno unos "
        "y ya yo dime".split()
    ),
    "zh": frozenset(),
}

CHINESE_FUNCTION_WORDS = re.compile(
    "是?什么时候|为什么|是什么|什么|怎么样|怎么|怎样|如何|哪里|哪儿|哪些|哪个|哪一[个种位条]?|哪|谁|多少|几|"
    "请问|告诉我|介绍一下|介绍|一下|可以|是否|[是的了吗呢吧在和与被把于由从到会能而并及或也都就其之]"
)
"""The same in Chinese, where no space tells words apart: what is left between them carries the content."""

FUNCTION_WORDS: frozenset[str] = frozenset().union(*_FUNCTION_WORDS.values())
"""Words that carry no content in any of the languages; a support check passes over them."""

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_WORD = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> Language:
    """The language of a question or a sentence."""
    words = _WORD.findall(_CJK.sub(" ", text.lower()))
    characters = len(_CJK.findall(text))
    if characters and characters >= len(words):  # a character says about as much as a word: "什么是 LangChain？"
        return "zh"
    scores = {language: sum(word in known for word in words) for language, known in _FUNCTION_WORDS.items() if known}
    if any(mark in text for mark in "ãõ"):
        scores["pt"] += 1
    if any(mark in text for mark in "¿¡ñ"):
        scores["es"] += 1
    best = max(scores, key=lambda language: (scores[language], language == "en"))
    return best if scores[best] else "en"
