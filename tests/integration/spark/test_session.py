"""A cluster, classic or Connect: what it has, what is sent to it, and what is said when it cannot do the work."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import pyspark
import pytest

from ziggurat.batch.spark.session import Cluster, open_spark
from ziggurat.errors import ClusterError


def test_a_cluster_of_two_executors_with_a_core_each_has_two_slots(cluster: Cluster):
    assert cluster.slots == 2


def test_every_slot_says_its_python_its_packages_and_that_it_shares_the_storage(cluster: Cluster, tmp_path: Path):
    answers = cluster.prepare(tmp_path, extras=["sqlite3"])

    assert len(answers) == 2
    assert {one.version for one in answers} == {metadata.version("ziggurat")}
    assert {one.python for one in answers} == {f"{sys.version_info[0]}.{sys.version_info[1]}"}
    assert list(tmp_path.iterdir()) == []


def test_a_file_and_a_folder_are_found_on_the_workers_as_they_were_sent(cluster: Cluster, tmp_path: Path):
    folder = tmp_path / "an index"
    (folder / "inner" / "empty").mkdir(parents=True)
    (folder / "inner" / "données.bin").write_bytes(bytes(range(256)) * 999)
    (tmp_path / "one file.txt").write_text("wörds", encoding="utf-8")

    names = [cluster.send(folder), cluster.send(tmp_path / "one file.txt")]

    assert _read_by_workers(cluster, names) == [_content(folder), _content(tmp_path / "one file.txt")]


def test_the_same_content_is_sent_once_and_changed_content_beside_it(cluster: Cluster, tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("a: 1")
    first = cluster.send(file)

    assert cluster.send(file) == first
    assert Cluster(cluster.session, where="again").send(file) == first
    file.write_text("a: 2")
    second = cluster.send(file)

    assert second != first
    assert _read_by_workers(cluster, [first, second]) == [{"": b"a: 1"}, {"": b"a: 2"}]


def test_what_is_not_there_cannot_be_sent(cluster: Cluster, tmp_path: Path):
    with pytest.raises(ClusterError, match="nothing to send"):
        cluster.send(tmp_path / "absent")


def test_a_module_that_the_workers_lack_is_named_with_what_to_do(cluster: Cluster, tmp_path: Path):
    with pytest.raises(ClusterError, match=r"lacks a_module_nobody_has.*\n.*worker.*\n.*pip install"):
        cluster.prepare(tmp_path, extras=["json", "a_module_nobody_has"])


def test_storage_that_each_process_has_for_itself_is_told_from_shared_storage(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # one path that is another folder in every process: the driver's working directory, and each worker's own
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ClusterError, match="does not share the output's storage"):
        cluster.prepare("/proc/self/cwd")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_before_any_job(cluster: Cluster, tmp_path: Path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ClusterError, match="Nothing can be written"):
        cluster.prepare(tmp_path / "file" / "out")


def test_the_address_of_the_session_that_is_there_is_that_session_and_it_is_left_open(classic: Cluster):
    with (
        classic.speaking(),
        open_spark(classic.where) as same,
        open_spark("session") as active,
        open_spark(classic.session) as given,
    ):
        assert same.session is active.session is given.session is classic.session

    assert classic.session.range(3).count() == 3


def test_a_second_classic_master_in_one_process_is_refused(classic: Cluster):
    with pytest.raises(ClusterError, match="has a Spark session on local-cluster"), open_spark("local[2]"):
        pass


def test_a_connect_session_of_ours_is_ended_and_one_that_was_given_is_not(connected: Cluster):
    with open_spark(f"{connected.where}") as other:
        assert other.session.range(2).count() == 2
        assert other.session is not connected.session
    assert other.session.is_stopped

    with open_spark(connected.session) as same:
        assert same.is_connect
    assert connected.session.range(3).count() == 3


def test_a_cluster_that_lacks_the_package_is_sent_it_with_its_data_and_entry_points(tmp_path: Path):
    python = _python_without_ziggurat(tmp_path)
    assert subprocess.run([str(python), "-c", "import ziggurat"], capture_output=True, check=False).returncode == 1
    script = textwrap.dedent(
        """
        from importlib import metadata
        from ziggurat.batch.spark.session import open_spark

        def tell(batches):
            import pyarrow as pa
            import ziggurat
            from importlib.metadata import entry_points
            from ziggurat.prompts.shipped import shipped_names
            for _ in batches:
                stages = [one.name for one in entry_points(group="ziggurat.stages")]
                yield pa.RecordBatch.from_pylist([{"v": f"{ziggurat.__file__}|{'qa' in stages}|{'qa' in shipped_names()}"}])

        with open_spark("local[2]") as cluster:
            answers = cluster.prepare(OUT)
            assert {one.version for one in answers} == {metadata.version("ziggurat")}, answers
            for row in cluster.session.range(2, numPartitions=2).mapInArrow(tell, "v string").collect():
                print(row.v)
        """
    ).replace("OUT", repr(str(tmp_path / "out")))

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={name: value for name, value in os.environ.items() if name != "SPARK_CONNECT_MODE_ENABLED"}
        | {"PYSPARK_PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        place, stages, prompts = line.split("|")
        assert "userFiles" in place
        assert (stages, prompts) == ("True", "True")


def _content(path: Path) -> dict[str, bytes | None]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        one.relative_to(path).as_posix(): one.read_bytes() if one.is_file() else None for one in sorted(path.rglob("*"))
    }


def _read_by_workers(cluster: Cluster, names: list[str]) -> list[dict[str, bytes | None]]:
    """What each worker finds under the names; the same on all, or the test fails."""

    def read(batches):
        import pyarrow as pa

        from ziggurat.batch.spark.session import shipped

        for _ in batches:
            rows = []
            for name in names:
                path = shipped(name)
                for one in [path] if path.is_file() else sorted(path.rglob("*")):
                    inner = "" if one == path else one.relative_to(path).as_posix()
                    rows.append({"name": name, "path": inner, "data": one.read_bytes() if one.is_file() else None})
            yield pa.RecordBatch.from_pylist(
                rows, schema=pa.schema([("name", "string"), ("path", "string"), ("data", "binary")])
            )

    frame = cluster.session.range(2, numPartitions=2).mapInArrow(read, "name string, path string, data binary")
    found: list[dict[str, bytes | None]] = [{} for _ in names]
    for row in frame.collect():
        data = None if row.data is None else bytes(row.data)
        assert found[names.index(row.name)].setdefault(row.path, data) == data
    return found


def _python_without_ziggurat(folder: Path) -> Path:
    """An environment with all that this one has installed, but this package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    site = Path(pyspark.__file__).parent.parent
    packages = folder / "packages"
    packages.mkdir()
    for entry in site.iterdir():
        if "ziggurat" not in entry.name and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    own = folder / "env" / "lib" / version / "site-packages"
    (own / "packages.pth").write_text(f"{packages}\n")
    return folder / "env" / "bin" / "python"
