"""The lab, whole: what it needs in a workspace, made from one file, used, and removed again."""

from __future__ import annotations

from ziggurat.databricks.lab.declaration import Lab, Named, named, read_lab
from ziggurat.databricks.lab.down import down
from ziggurat.databricks.lab.running import Outcome, run
from ziggurat.databricks.lab.up import Plan, plan, up

__all__ = ["Lab", "Named", "Outcome", "Plan", "down", "named", "plan", "read_lab", "run", "up"]
