"""Jobs through the real client: wheels that are installed and run, dependencies, retries, time-outs, cancelling."""

import io
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    OperationFailed,
    ResourceDoesNotExist,
)
from databricks.sdk.errors import NotImplemented as NotThere
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.compute import ClusterSpec, Environment, Library, State
from databricks.sdk.service.jobs import (
    JobCluster,
    JobEnvironment,
    JobSettings,
    PythonWheelTask,
    RunIf,
    RunLifeCycleState,
    RunLifecycleStateV2State,
    RunResultState,
    SparkPythonTask,
    SubmitTask,
    Task,
    TaskDependency,
)
from databricks.sdk.service.workspace import ImportFormat
from quick_workspace import quick_workspace, sdk
from small_wheel import small_wheel

WHEEL = "/Volumes/main/default/packages/smallwheel-1.0-py3-none-any.whl"
HERE = [JobEnvironment("here", Environment(environment_version="4"))]
SHAPE = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1}
CODE = """
import os, sys
def main():
    from urllib.request import Request, urlopen
    asked = Request(os.environ["DATABRICKS_HOST"] + "/api/2.1/clusters/spark-versions")
    asked.add_header("Authorization", "Bearer " + os.environ["DATABRICKS_TOKEN"])
    print("status", urlopen(asked).status, sys.argv[1:], os.environ.get("GREETING"))
def broken():
    print("before")
    raise ValueError("no such thing")
"""


@pytest.fixture(scope="module")
def local():
    with quick_workspace() as found:
        yield found


@pytest.fixture(scope="module")
def w(local):
    client = sdk(local)
    client.volumes.create("main", "default", "packages", VolumeType.MANAGED)
    client.files.upload(WHEEL, io.BytesIO(small_wheel(CODE)))
    return client


def script(w, name: str, code: str, **parameters) -> SubmitTask:
    path = f"/Workspace/Shared/{name}.py"
    w.workspace.upload(path, code.encode(), format=ImportFormat.AUTO, overwrite=True)
    return SubmitTask(task_key=name, spark_python_task=SparkPythonTask(path), environment_key="here", **parameters)


def ended(w, run_id: int):
    until = time.monotonic() + 20
    while (run := w.jobs.get_run(run_id)).status.state is not RunLifecycleStateV2State.TERMINATED:
        assert time.monotonic() < until
        time.sleep(0.05)
    return run


def test_a_wheel_is_installed_and_its_entry_point_runs_with_the_workspaces_credentials(w):
    run = w.jobs.submit(
        run_name="wheel",
        environments=[JobEnvironment("wheel", Environment(environment_version="4", dependencies=[WHEEL, "httpx"]))],
        tasks=[
            SubmitTask(
                task_key="main",
                environment_key="wheel",
                python_wheel_task=PythonWheelTask("smallwheel", "main", parameters=["one", "{{task.name}}"]),
            )
        ],
    ).result(timeout=timedelta(seconds=60))
    assert run.state.life_cycle_state is RunLifeCycleState.TERMINATED
    assert run.state.result_state is RunResultState.SUCCESS
    assert run.status.termination_details.code.value == "SUCCESS"
    output = w.jobs.get_run_output(run.tasks[0].run_id)
    assert output.logs == "status 200 ['one', 'main'] None\n"
    assert output.error is None
    assert output.metadata.run_id == run.tasks[0].run_id


def test_what_a_task_raises_is_its_output_and_its_result(w):
    waiting = w.jobs.submit(
        environments=HERE,
        tasks=[script(w, "good", "print(1)"), script(w, "bad", "print('before')\nraise ValueError('no such thing')")],
    )
    with pytest.raises(OperationFailed, match="Task bad failed with message: Workload failed"):
        waiting.result(timeout=timedelta(seconds=30))
    run = w.jobs.get_run(waiting.run_id)
    assert run.state.result_state is RunResultState.FAILED
    states = {task.task_key: task.state.result_state for task in run.tasks}
    assert states == {"good": RunResultState.SUCCESS, "bad": RunResultState.FAILED}
    output = w.jobs.get_run_output(next(task.run_id for task in run.tasks if task.task_key == "bad"))
    assert (output.logs, output.error) == ("before\n", "ValueError: no such thing")
    assert "Traceback" in output.error_trace
    with pytest.raises(InvalidParameterValue, match="multiple tasks"):
        w.jobs.get_run_output(run.run_id)


def test_tasks_wait_for_what_they_depend_on_and_are_not_run_when_it_failed(w):
    before = [TaskDependency("fails")]
    run = ended(
        w,
        w.jobs.submit(
            environments=HERE,
            tasks=[
                script(w, "fails", "raise SystemExit(3)"),
                script(w, "never", "print(1)", depends_on=before),
                script(w, "always", "print(2)", depends_on=before, run_if=RunIf.ALL_DONE),
            ],
        ).run_id,
    )
    found = {task.task_key: task.state.result_state for task in run.tasks}
    assert found == {
        "fails": RunResultState.FAILED,
        "never": RunResultState.UPSTREAM_FAILED,
        "always": RunResultState.SUCCESS,
    }


def test_a_task_is_tried_again_as_often_as_it_may_be(w, tmp_path):
    code = f"from pathlib import Path\np = Path({str(tmp_path / 'tries')!r})\np.open('a').write('x')\nassert len(p.read_text()) == 3"
    run = ended(w, w.jobs.submit(environments=HERE, tasks=[script(w, "again", code, max_retries=3)]).run_id)
    assert run.state.result_state is RunResultState.SUCCESS
    assert [task.attempt_number for task in run.tasks] == [0, 1, 2]
    assert len({task.run_id for task in run.tasks}) == 3


def test_a_task_that_takes_too_long_is_ended_with_everything_it_started(w, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    run = ended(w, w.jobs.submit(environments=HERE, tasks=[script(w, "slow", code, timeout_seconds=1)]).run_id)
    assert run.tasks[0].state.result_state is RunResultState.TIMEDOUT
    assert run.state.result_state is RunResultState.TIMEDOUT
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 5
    while _alive(pid):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_cancelled_run_ends_soon_and_what_was_to_come_is_not_run(w):
    waiting = w.jobs.submit(
        environments=HERE,
        tasks=[
            script(w, "long", "import time; print('begun', flush=True); time.sleep(60)"),
            script(w, "later", "print(1)", depends_on=[TaskDependency("long")]),
        ],
    )
    until = time.monotonic() + 20
    while not (w.jobs.get_run(waiting.run_id).tasks or [None])[0]:
        assert time.monotonic() < until
    run = w.jobs.cancel_run_and_wait(waiting.run_id, timeout=timedelta(seconds=20))
    assert run.state.result_state is RunResultState.CANCELED
    assert run.status.termination_details.code.value == "USER_CANCELED"
    assert {task.state.result_state for task in run.tasks} == {RunResultState.CANCELED}
    w.jobs.delete_run(run.run_id)
    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        w.jobs.get_run(run.run_id)


def test_a_job_is_declared_listed_changed_run_by_parameters_and_deleted(w):
    made = w.jobs.create(
        name="daily",
        tags={"lab": "3"},
        environments=[JobEnvironment("wheel", Environment(environment_version="4", dependencies=[WHEEL]))],
        tasks=[Task(task_key="main", environment_key="wheel", python_wheel_task=PythonWheelTask("smallwheel", "main"))],
    )
    assert [job.job_id for job in w.jobs.list(name="Daily")] == [made.job_id]
    job = w.jobs.get(made.job_id)
    assert (job.settings.name, job.settings.max_concurrent_runs) == ("daily", 1)
    run = w.jobs.run_now(made.job_id, python_named_params={"size": "3"}).result(timeout=timedelta(seconds=60))
    assert "['--size=3']" in w.jobs.get_run_output(run.tasks[0].run_id).logs
    assert [one.run_id for one in w.jobs.list_runs(job_id=made.job_id, completed_only=True)] == [run.run_id]
    w.jobs.update(made.job_id, new_settings=JobSettings(name="weekly"), fields_to_remove=["tags"])
    assert (w.jobs.get(made.job_id).settings.name, w.jobs.get(made.job_id).settings.tags) == ("weekly", None)
    w.jobs.delete(made.job_id)
    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        w.jobs.get(made.job_id)


def test_a_job_runs_on_a_cluster_of_its_own_that_is_terminated_with_it_and_sees_its_secrets(w, local):
    w.secrets.create_scope("lab")
    w.secrets.put_secret("lab", "greeting", string_value="hello there")
    made = w.jobs.create(
        name="own cluster",
        job_clusters=[
            JobCluster("small", ClusterSpec(**SHAPE, spark_env_vars={"GREETING": "{{secrets/lab/greeting}}"}))
        ],
        tasks=[
            Task(
                task_key="main",
                job_cluster_key="small",
                libraries=[Library(whl=WHEEL)],
                python_wheel_task=PythonWheelTask("smallwheel", "main"),
            )
        ],
    )
    run = w.jobs.run_now(made.job_id).result(timeout=timedelta(seconds=60))
    task = run.tasks[0]
    assert w.jobs.get_run_output(task.run_id).logs.endswith("hello there\n")
    cluster = w.clusters.wait_get_cluster_terminated(task.cluster_instance.cluster_id)
    assert cluster.cluster_source.value == "JOB"
    assert cluster.spark_env_vars == {"GREETING": "{{secrets/lab/greeting}}"}


def test_a_terminated_cluster_is_started_for_its_task(w):
    cluster = w.clusters.create_and_wait(cluster_name="asleep", **SHAPE)
    w.clusters.delete_and_wait(cluster.cluster_id)
    task = script(w, "wake", "print('awake')")
    task.environment_key, task.existing_cluster_id = None, cluster.cluster_id
    run = ended(w, w.jobs.submit(tasks=[task]).run_id)
    assert run.state.result_state is RunResultState.SUCCESS
    assert w.clusters.get(cluster.cluster_id).state is State.RUNNING


def test_a_library_that_cannot_be_ends_the_task_with_its_name(w):
    task = SubmitTask(task_key="main", environment_key="lost", python_wheel_task=PythonWheelTask("smallwheel", "main"))
    for lost in ("/Volumes/main/default/packages/none-1.0-py3-none-any.whl", "no-such-package-at-all"):
        environment = JobEnvironment("lost", Environment(environment_version="4", dependencies=[lost]))
        run = ended(w, w.jobs.submit(environments=[environment], tasks=[task]).run_id)
        assert run.tasks[0].status.termination_details.code.value == "LIBRARY_INSTALLATION_ERROR"
        assert lost.rpartition("/")[2][:10] in run.tasks[0].state.state_message


def test_the_same_token_submits_once(w):
    runs = {
        w.jobs.submit(environments=HERE, tasks=[script(w, "once", "print(1)")], idempotency_token="the same").run_id
        for _ in range(3)
    }
    assert len(runs) == 1


def test_a_job_that_may_run_once_skips_a_second_run(w):
    task = script(w, "sleeps", "import time; time.sleep(60)")
    made = w.jobs.create(
        name="single",
        environments=HERE,
        tasks=[Task(task_key="main", environment_key="here", spark_python_task=task.spark_python_task)],
    )
    first = w.jobs.run_now(made.job_id)
    second = w.jobs.run_now(made.job_id).result()
    assert second.state.life_cycle_state is RunLifeCycleState.SKIPPED
    assert second.state.result_state is RunResultState.MAXIMUM_CONCURRENT_RUNS_REACHED
    w.jobs.cancel_all_runs(job_id=made.job_id)
    assert ended(w, first.run_id).state.result_state is RunResultState.CANCELED


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([], "at least one task"),
        ([{"depends_on": [TaskDependency("b")]}, {"task_key": "b", "depends_on": [TaskDependency("a")]}], "wait for"),
        ([{"depends_on": [TaskDependency("bb")]}, {"task_key": "b"}], "did you mean 'b'"),
        ([{}, {}], "same task_key"),
        ([{"environment_key": "her"}], "did you mean 'here'"),
        ([{"environment_key": None}], "exactly one of"),
    ],
)
def test_a_job_that_could_not_run_is_refused(w, tasks, says):
    made = [
        SubmitTask(**{"task_key": "a", "environment_key": "here", "spark_python_task": SparkPythonTask("/x.py")} | task)
        for task in tasks
    ]
    with pytest.raises(BadRequest, match=says):
        w.jobs.submit(environments=HERE, tasks=made)


def test_a_kind_of_task_that_is_not_there_is_named(w):
    from databricks.sdk.service.jobs import NotebookTask

    with pytest.raises(NotThere, match="notebook_task"):
        w.jobs.submit(tasks=[SubmitTask(task_key="a", environment_key="x", notebook_task=NotebookTask("/x"))])


def test_closing_the_workspace_ends_its_runs(tmp_path):
    with quick_workspace() as local:
        w = sdk(local)
        code = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
        w.jobs.submit(environments=HERE, tasks=[script(w, "left", code)])
        until = time.monotonic() + 20
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < until
            time.sleep(0.02)
    assert not _alive(int((tmp_path / "pid").read_text()))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
