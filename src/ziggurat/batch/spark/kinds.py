"""Classic Spark sessions and those of Spark Connect, told apart without importing what is not there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def is_connect(session: SparkSession) -> bool:
    """Whether a session speaks Spark Connect."""
    module = sys.modules.get("pyspark.sql.connect.session")
    return module is not None and isinstance(session, module.SparkSession)
