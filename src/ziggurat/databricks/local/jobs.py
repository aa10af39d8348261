"""Jobs and their runs: what is declared, what is asked for, what is answered.

How a run is carried out stands in `runner`. Invariant: what cannot be run is refused when it is declared.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.local import run as states
from ziggurat.databricks.local.call import Call, Refusal, Route, invalid
from ziggurat.databricks.local.cluster import milliseconds
from ziggurat.databricks.local.job_settings import checked
from ziggurat.databricks.local.paging import page
from ziggurat.databricks.local.run import Run, TaskRun
from ziggurat.databricks.local.runner import Runner

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_API = "/api/2.2/jobs"
_OVERRIDES = ("python_params", "python_named_params", "job_parameters")
_ENDING_SECONDS = 10.0


class Jobs:
    """Jobs and their runs."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._jobs: dict[int, dict[str, Any]] = {}
        self._runs: dict[int, Run] = {}
        self._tokens: dict[str, int] = {}

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("POST", f"{_API}/create", self._create, "create a job"),
            Route("GET", f"{_API}/get", self._get, "look at a job"),
            Route("GET", f"{_API}/list", self._list, "list jobs"),
            Route("POST", f"{_API}/reset", self._reset, "declare a job anew"),
            Route("POST", f"{_API}/update", self._update, "change a job"),
            Route("POST", f"{_API}/delete", self._delete, "delete a job"),
            Route("POST", f"{_API}/run-now", self._run_now, "run a job"),
            Route("POST", f"{_API}/runs/submit", self._submit, "run tasks without a job"),
            Route("GET", f"{_API}/runs/get", self._run, "look at a run"),
            Route("GET", f"{_API}/runs/get-output", self._output, "the output of a run"),
            Route("GET", f"{_API}/runs/list", self._list_runs, "list runs"),
            Route("POST", f"{_API}/runs/cancel", self._cancel, "cancel a run"),
            Route("POST", f"{_API}/runs/cancel-all", self._cancel_all, "cancel every run of a job"),
            Route("POST", f"{_API}/runs/delete", self._delete_run, "delete a run that ended"),
        ]

    def close(self) -> None:
        """Cancel what runs, and wait for its end."""
        with self._workspace.lock:
            runs = list(self._runs.values())
        for run in runs:
            run.stop.set()
        for run in runs:
            if run.thread is not None:
                run.thread.join(_ENDING_SECONDS)

    @property
    def runs(self) -> list[Run]:
        """Every run, newest first."""
        with self._workspace.lock:
            return sorted(self._runs.values(), key=lambda run: (-run.clock.start, -run.id))

    @property
    def known(self) -> dict[int, dict[str, Any]]:
        """Every job by its id."""
        with self._workspace.lock:
            return dict(self._jobs)

    def _create(self, call: Call) -> dict[str, Any]:
        settings = dict(call.body)
        checked(settings)
        number = states.number()
        with self._workspace.lock:
            self._jobs[number] = {
                "job_id": number,
                "creator_user_name": call.user,
                "run_as_user_name": call.user,
                "created_time": milliseconds(),
                "settings": _complete(settings),
            }
        return {"job_id": number}

    def _job(self, call: Call) -> dict[str, Any]:
        number = _number(call, "job_id")
        found = self._jobs.get(number)
        if found is None:
            raise invalid(f"Job {number} does not exist.")
        return found

    def _get(self, call: Call) -> dict[str, Any]:
        with self._workspace.lock:
            return dict(self._job(call))

    def _list(self, call: Call) -> dict[str, Any]:
        name = call.query.get("name", "").lower()
        whole = call.query.get("expand_tasks") == "true"
        with self._workspace.lock:
            found = [
                {**job, "settings": job["settings"] if whole else _brief(job["settings"]), "has_more": False}
                for job in reversed(self._jobs.values())
                if not name or job["settings"]["name"].lower() == name
            ]
        return page(call, "jobs", found, size=20, at_most=100, size_name="limit")

    def _reset(self, call: Call) -> None:
        settings: dict[str, Any] = call.need("new_settings", dict)
        checked(settings)
        with self._workspace.lock:
            self._job(call)["settings"] = _complete(settings)

    def _update(self, call: Call) -> None:
        with self._workspace.lock:
            job = self._job(call)
            settings = {**job["settings"], **(call.body.get("new_settings") or {})}
            for name in call.body.get("fields_to_remove") or ():
                settings.pop(str(name), None)
            checked(settings)
            job["settings"] = _complete(settings)

    def _delete(self, call: Call) -> None:
        with self._workspace.lock:
            del self._jobs[self._job(call)["job_id"]]

    def _run_now(self, call: Call) -> dict[str, Any]:
        with self._workspace.lock:
            job = self._job(call)
            settings = job["settings"]
            busy = sum(run.active and run.job_id == job["job_id"] for run in self._runs.values())
            run = self._begun(
                call,
                Run(
                    job["job_id"],
                    settings["name"],
                    call.user,
                    "JOB_RUN",
                    settings,
                    {name: call.body[name] for name in _OVERRIDES if call.body.get(name)},
                ),
                skip=busy >= int(settings.get("max_concurrent_runs") or 1),
            )
        return {"run_id": run.id, "number_in_job": run.id}

    def _submit(self, call: Call) -> dict[str, Any]:
        settings = dict(call.body)
        checked(settings)
        with self._workspace.lock:
            name = str(settings.get("run_name") or "Untitled")
            run = self._begun(call, Run(0, name, call.user, "SUBMIT_RUN", settings, {}), skip=False)
        return {"run_id": run.id}

    def _begun(self, call: Call, run: Run, *, skip: bool) -> Run:
        """Start a run, or find the one that the same token started before."""
        token = str(call.body.get("idempotency_token") or "")
        if token and (known := self._runs.get(self._tokens.get(token, 0))):
            return known
        if token:
            self._tokens[token] = run.id
        run.job_id = run.job_id or states.number()
        run.page = f"{self._workspace.url}/?o={self._workspace.org_id}#job/{run.job_id}/run"
        self._runs[run.id] = run
        if skip:
            run.state.end("MAXIMUM_CONCURRENT_RUNS_REACHED", "The job has as many runs as it may.", life=states.SKIPPED)
            run.clock.end = run.clock.start
            return run
        runner = Runner(self._workspace, run)
        run.thread = threading.Thread(target=runner.carry_out, name=f"ziggurat-run-{run.id}", daemon=True)
        run.thread.start()
        return run

    def _of(self, call: Call) -> tuple[Run, TaskRun | None]:
        number = _number(call, "run_id")
        if found := self._runs.get(number):
            return found, None
        for run in self._runs.values():
            for task in run.tasks:
                if task.id == number:
                    return run, task
        raise invalid(f"Run {number} does not exist.")

    def _run(self, call: Call) -> dict[str, Any]:
        with self._workspace.lock:
            run, task = self._of(call)
            return run.shown() if task is None else task.shown(run) | {"job_id": run.job_id, "run_name": run.name}

    def _output(self, call: Call) -> dict[str, Any]:
        with self._workspace.lock:
            run, task = self._of(call)
            if task is None:
                if len(run.settings["tasks"]) > 1:
                    raise invalid(
                        "Retrieving the output of runs with multiple tasks is not supported. "
                        "Please retrieve the output of each individual task run instead."
                    )
                if not run.tasks:
                    return {"metadata": run.shown()}
                task = run.tasks[-1]
            return task.output(run)

    def _list_runs(self, call: Call) -> dict[str, Any]:
        query = call.query
        number = int(query.get("job_id") or 0)
        active, completed = query.get("active_only") == "true", query.get("completed_only") == "true"
        if active and completed:
            raise invalid("active_only and completed_only cannot both be true.")
        found = [
            run.shown(tasks=query.get("expand_tasks") == "true")
            for run in self.runs
            if (not number or run.job_id == number)
            and (not active or run.active)
            and (not completed or not run.active)
            and query.get("run_type", run.kind) == run.kind
            and int(query.get("start_time_from") or 0) <= run.clock.start <= int(query.get("start_time_to") or 1 << 62)
        ]
        return page(call, "runs", found, size=20, at_most=25, size_name="limit")

    def _cancel(self, call: Call) -> None:
        with self._workspace.lock:
            self._stop(self._of(call)[0])

    def _cancel_all(self, call: Call) -> None:
        number = int(call.body.get("job_id") or 0)
        if not number and not call.body.get("all_queued_runs"):
            raise invalid("Missing required field: job_id")
        with self._workspace.lock:
            for run in self._runs.values():
                if run.job_id == number:
                    self._stop(run)

    def _stop(self, run: Run) -> None:
        if run.active:
            run.state.life, run.state.message = states.TERMINATING, "Run is being cancelled."
            run.stop.set()

    def _delete_run(self, call: Call) -> None:
        with self._workspace.lock:
            run, _ = self._of(call)
            if run.active:
                raise Refusal(400, "INVALID_STATE", f"Run {run.id} is active and cannot be deleted.")
            del self._runs[run.id]


def _number(call: Call, name: str) -> int:
    try:
        return int(call.need(name, (int, str)))
    except ValueError as error:
        raise invalid(f"{name} is not a number.") from error


def _complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {"name": "Untitled", "format": "MULTI_TASK", "max_concurrent_runs": 1, "timeout_seconds": 0}
    return {
        **defaults,
        "email_notifications": {},
        **{key: value for key, value in settings.items() if key != "access_control_list"},
    }


def _brief(settings: Mapping[str, Any]) -> dict[str, Any]:
    left_out = {"tasks", "job_clusters", "environments"}
    return {key: value for key, value in settings.items() if key not in left_out}
