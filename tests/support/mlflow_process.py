"""Runs Python with MLflow in a process of its own, in a folder with a store of its own.

Apart because MLflow keeps global state and warns while it is imported. What the script leaves in ``found`` comes back.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",  # else MLflow looks its prices up on the network
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "LANGSMITH_TRACING": "false",
}


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of such a process: a SQLite store in the folder, nothing on the network."""
    scripts = str(Path(sys.executable).parent)
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **QUIET, "PATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", **more}


def in_mlflow(script: str, folder: Path, **more: str) -> dict:
    """Run a script; what it puts into the mapping ``found`` comes back through JSON."""
    told = folder / "found.json"
    whole = f"found = {{}}\n{script}\nimport json\nopen({str(told)!r}, 'w').write(json.dumps(found))\n"
    done = subprocess.run(
        [sys.executable, "-c", whole],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment(folder, **more),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return {**json.loads(told.read_text()), "stderr": done.stderr}
