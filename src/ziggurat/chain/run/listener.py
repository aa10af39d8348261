"""What hears of LangChain's model calls: the one handler that metered runs share.

It tells the innermost `Meter` what was used, and asks its purse before a call is sent. Imported only when a run
is metered, since it needs LangChain.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from ziggurat.chain.budget import Ask
from ziggurat.chain.run.metering import Refused, current
from ziggurat.chain.usage import NO_USAGE, Usage, estimated_tokens
from ziggurat.errors import BudgetExceeded
from ziggurat.prices import was_cached

_DEFAULT_ANSWER_TOKENS = 1024
"""Reserved for an answer whose length nobody bounded."""

_ANSWER_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens", "num_predict", "max_new_tokens")


class Listener(BaseCallbackHandler):
    """Counts model calls, and keeps a call that there is no budget for from being sent."""

    run_inline = True  # counted before the stage is told to be finished
    raise_error = True  # a purse that refuses is heard

    def __init__(self) -> None:
        self._providers: dict[Any, str] = {}

    def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:  # noqa: ARG002 (LangChain's signature)
        """A chat model is about to be called."""
        self._asked(sum(estimated_tokens(str(one.content)) for batch in messages for one in batch), told)

    def on_llm_start(self, serialized: Any, prompts: Any, **told: Any) -> None:  # noqa: ARG002 (LangChain's signature)
        """A model that completes text is about to be called."""
        self._asked(sum(map(estimated_tokens, prompts)), told)

    def _asked(self, tokens: int, told: dict[str, Any]) -> None:
        meter = current.get()
        if meter is None:
            return
        metadata, parameters = told.get("metadata") or {}, told.get("invocation_params") or {}
        provider = str(metadata.get("ls_provider", ""))
        if meter.purse is not None:
            model = metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name") or ""
            answer = next((parameters[one] for one in _ANSWER_LIMITS if parameters.get(one)), None)
            answer = answer or metadata.get("ls_max_tokens") or _DEFAULT_ANSWER_TOKENS
            try:
                meter.purse.reserve(told["run_id"], Ask(str(model), provider, tokens, int(answer)))
            except BudgetExceeded as error:
                raise Refused(error) from error
        self._providers[told["run_id"]] = provider

    def on_llm_end(self, response: Any, **told: Any) -> None:
        """A model answered."""
        meter, provider = current.get(), self._providers.pop(told["run_id"], "")
        if meter is None:
            return
        used = NO_USAGE
        for answers in response.generations:
            for answer in answers[:1]:
                message = getattr(answer, "message", None)
                if not was_cached(message):
                    used += Usage.of_message(message, provider)
        meter.count(used)
        if meter.purse is not None:
            meter.purse.settle(told["run_id"], used)

    def on_llm_error(self, error: BaseException, **told: Any) -> None:  # noqa: ARG002 (LangChain's signature)
        """A call failed; nothing is counted, and what was set aside goes back."""
        self._providers.pop(told["run_id"], None)
        meter = current.get()
        if meter is not None and meter.purse is not None:
            meter.purse.settle(told["run_id"], NO_USAGE)
