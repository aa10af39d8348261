"""What an agent's model is told beside the question: to answer now, and how what it wrote should have looked."""

from __future__ import annotations

from ziggurat.stages.agents.protocols import TextProtocol
from ziggurat.stages.language import Language
from ziggurat.stages.prompting import StagePrompt


def finish(protocol: TextProtocol | None, language: Language) -> str:
    """That no tool can be used any more and the answer is due."""
    if protocol is None:
        return _said("agent.finish", language)
    return _said("agent.finish_text", language, answer_form=protocol.forms[1])


def repair(protocol: TextProtocol | None, language: Language) -> str:
    """That a text was neither a call nor an answer, and what either looks like."""
    if protocol is None:
        return ""
    return _said("agent.repair", language, call_form=protocol.forms[0], answer_form=protocol.forms[1])


def _said(name: str, language: Language, **values: str) -> str:
    (message,) = StagePrompt(name).filled(language, **values).to_messages()
    return str(message.text)
