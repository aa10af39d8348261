"""The commands: thin readers of everything else."""

from typing import Any

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""The ``context_settings`` of every command, so that each explains itself however it is called."""
