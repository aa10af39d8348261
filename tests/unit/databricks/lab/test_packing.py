"""What leaves this machine: the wheel, the files, the bundle, the Azure template."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from databricks.bundles.clusters import Cluster
from databricks.bundles.jobs import Job
from databricks.bundles.model_serving_endpoints import ModelServingEndpoint
from databricks.bundles.secret_scopes import SecretScope
from lab_world import KEY, LAB, lab_file

from ziggurat.cli.databricks_lab import azure_template
from ziggurat.databricks.lab import read_lab
from ziggurat.databricks.lab.azure import write_template
from ziggurat.databricks.lab.bundle import write_bundle
from ziggurat.databricks.lab.contents import contents
from ziggurat.databricks.lab.cost import cost
from ziggurat.databricks.lab.wheel import ENTRY, wheel
from ziggurat.errors import InputError

EXAMPLE = Path(__file__).parents[4] / "examples" / "databricks" / "lab.yaml"
CLUSTER = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1}


def lab_of(folder, **parts):
    return read_lab(lab_file(folder, yaml.safe_dump(yaml.safe_load(LAB) | parts)))


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    name, raw = wheel()
    path = tmp_path_factory.mktemp("wheel") / name
    path.write_bytes(raw)
    return path


def test_the_wheel_is_installed_by_pip_and_runs_away_from_our_sources(packed, tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        tmp_path / "site",
        packed,
    ]
    subprocess.run(command, check=True)
    code = (
        "import ziggurat\nfrom importlib.metadata import distribution\n"
        f"found = [one for one in distribution('ziggurat').entry_points if one.name == {ENTRY!r}]\n"
        "print(ziggurat.__file__, distribution('ziggurat').version, found[0].load().__module__)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
    ).stdout
    file, version, module = told.split()
    assert file.startswith(str(tmp_path / "site"))
    assert "+lab." in version
    assert module == "ziggurat.databricks.lab.job"


def test_the_same_files_make_the_same_wheel_without_caches(packed):
    assert wheel() == wheel()
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
    assert not any("__pycache__" in name for name in names)
    assert any(name.startswith("ziggurat/prompts/texts/") for name in names)


def test_documents_and_chain_are_what_is_declared(tmp_path):
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "docs" / "deep" / "a.md").write_text("A")
    (tmp_path / "chain.yaml").write_text("ziggurat: 1")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "p.txt").write_text("P")
    base = {key: value for key, value in yaml.safe_load(LAB).items() if key not in {"chat", "picture"}}
    lab = read_lab(lab_file(tmp_path, yaml.safe_dump(base | {"files": {"documents": "docs", "chain": "chain.yaml"}})))
    found = contents(lab)
    assert found["lab/documents/deep/a.md"] == b"A"
    assert found["lab/chain/chain.yaml"] == b"ziggurat: 1"
    assert found["lab/chain/prompts/p.txt"] == b"P"
    assert not any(name.endswith("databricks.txt") for name in found)


@pytest.mark.parametrize("compute", [{"cluster": CLUSTER}, {"job": CLUSTER}, {"serverless": {}}])
def test_a_bundle_is_what_the_bundles_package_takes(tmp_path, compute, monkeypatch):
    monkeypatch.setenv("LAB_KEY", KEY)
    lab = lab_of(tmp_path, compute=compute)
    files = write_bundle(lab, tmp_path / "bundle")
    text = files[0].read_text()
    told = yaml.safe_load(text)
    resources = told["resources"]
    job = Job.from_dict(resources["jobs"]["lab"])
    assert job.tasks[0].python_wheel_task.entry_point == ENTRY
    assert SecretScope.from_dict(resources["secret_scopes"]["lab_3"]).name == "lab-3"
    endpoint = ModelServingEndpoint.from_dict(resources["model_serving_endpoints"]["lab_chat"])
    assert endpoint.config.served_entities[0].external_model.name == "gpt-4"
    assert ("clusters" in resources) == ("cluster" in compute)
    if "clusters" in resources:
        assert Cluster.from_dict(resources["clusters"]["lab"]).cluster_name == "lab-3"
    packages = re.findall(r"\./dist/\S+\.whl", text)
    assert packages
    assert all((tmp_path / "bundle" / one).exists() for one in packages)
    assert "put-secret lab-3 openai-api-key" in text
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_bundle_of_others_is_not_overwritten_and_our_own_is(tmp_path):
    lab = lab_of(tmp_path)
    write_bundle(lab, tmp_path / "bundle")
    write_bundle(lab, tmp_path / "bundle")
    (tmp_path / "bundle" / "databricks.yml").write_text("bundle: {name: mine}")
    with pytest.raises(InputError, match="another bundle"):
        write_bundle(lab, tmp_path / "bundle")


def test_the_azure_template_is_written_with_the_commands_that_apply_and_remove_it(tmp_path):
    told = CliRunner().invoke(azure_template, ["--to", str(tmp_path / "azure"), "--group", "my-lab"])
    assert told.exit_code == 0
    path = tmp_path / "azure" / "workspace.bicep"
    text = path.read_text()
    assert "Microsoft.Databricks/workspaces@" in text
    assert text.count("{") == text.count("}")
    declared = set(re.findall(r"^(?:param|var|resource) (\w+)", text, re.MULTILINE))
    used = set(re.findall(r"\$\{(\w+)[.}]", text)) | set(re.findall(r": (\w+)$", text, re.MULTILINE))
    assert used <= declared | {"true"}
    assert f"az deployment group create --resource-group my-lab --template-file {path}" in told.output
    assert "az group delete --name my-lab --yes" in told.output


@pytest.mark.parametrize(("group", "location"), [("a;b", "eastus"), ("", "eastus"), ("g", "East US")])
def test_names_that_azure_does_not_take_never_reach_a_command(tmp_path, group, location):
    with pytest.raises(InputError):
        write_template(tmp_path / "azure", group=group, location=location)
    assert not (tmp_path / "azure").exists()


def test_the_example_is_a_lab_whose_bundle_is_taken(tmp_path):
    lab = read_lab(EXAMPLE)
    told = yaml.safe_load(write_bundle(lab, tmp_path / "bundle")[0].read_text())
    assert Job.from_dict(told["resources"]["jobs"]["lab"]).name == lab.name
    assert cost(lab).dbu_per_hour is not None
