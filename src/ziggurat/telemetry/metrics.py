"""The histograms of the conventions for generative AI: tokens and seconds of calls, seconds of runs.

Without a meter provider they are OpenTelemetry's own no-ops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ziggurat.optional import require
from ziggurat.telemetry import conventions as names

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_TOKENS = [4.0**power for power in range(14)]
_SECONDS = [0.01 * 2**power for power in range(14)]
_RUN_SECONDS = [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0]
"""Bucket boundaries, as the conventions give them."""

_OF_CALLS = (names.OPERATION, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, names.ERROR_TYPE)


class Histograms:
    """What is measured.

    Args:
        provider: Where measurements go; None for the process's own.
    """

    def __init__(self, provider: MeterProvider | None) -> None:
        metrics = require("opentelemetry.metrics", for_="metrics with OpenTelemetry", extra="telemetry")
        meter = metrics.get_meter("ziggurat", meter_provider=provider)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._calls = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._runs = meter.create_histogram(
            "gen_ai.workflow.duration",
            "s",
            "GenAI workflow duration.",
            explicit_bucket_boundaries_advisory=_RUN_SECONDS,
        )

    def call(self, attributes: Mapping[str, names.Attribute], seconds: float, *, counted: bool) -> None:
        """Measure one model call.

        Args:
            attributes: What its span tells of it.
            seconds: How long it took.
            counted: Whether its tokens were used now, and not when a cache was filled.
        """
        shared = {name: attributes[name] for name in _OF_CALLS if name in attributes}
        self._calls.record(seconds, shared)
        if not counted:
            return
        shared.pop(names.ERROR_TYPE, None)
        for name, kind in ((names.INPUT_TOKENS, "input"), (names.OUTPUT_TOKENS, "output")):
            if name in attributes:
                self._tokens.record(attributes[name], {**shared, names.TOKEN_TYPE: kind})

    def run(self, workflow: str, seconds: float, error_type: str | None) -> None:
        """Measure one run."""
        attributes = {names.WORKFLOW: workflow} if workflow else {}
        if error_type is not None:
            attributes[names.ERROR_TYPE] = error_type
        self._runs.record(seconds, attributes)
