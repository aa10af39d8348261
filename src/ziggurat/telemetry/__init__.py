"""Watching runs from outside: OpenTelemetry, MLflow, standard logging.

Observers of a chain's events, given to it with ``chain.using(observers=[...])``. They read what happens and
change nothing; what no observer reads costs nothing. Nothing optional is imported before an observer is made.
"""

from __future__ import annotations

from ziggurat.telemetry.logs import LogEvents
from ziggurat.telemetry.mlflow import MLflow
from ziggurat.telemetry.otel import OpenTelemetry

__all__ = ["LogEvents", "MLflow", "OpenTelemetry"]
