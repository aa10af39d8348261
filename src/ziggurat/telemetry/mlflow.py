"""Runs as MLflow traces, kept in whatever store MLflow is set up with."""

from __future__ import annotations
