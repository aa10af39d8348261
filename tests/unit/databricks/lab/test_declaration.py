"""Lab files: what is wrong in one is said all at once, by place, with the closest name."""

import pytest
import yaml
from lab_world import LAB, lab_file

from ziggurat.databricks.lab import named, read_lab
from ziggurat.databricks.lab.specs import cluster_spec
from ziggurat.errors import SpecError


def changed(**parts) -> str:
    return yaml.safe_dump(yaml.safe_load(LAB) | parts)


def test_a_lab_file_is_read_with_its_folder(tmp_path):
    lab = read_lab(lab_file(tmp_path))
    assert lab.name == "lab-3"
    assert lab.compute.cluster.num_workers == 0
    assert lab.secrets.values == {"openai-api-key": "LAB_KEY"}
    assert lab.path == tmp_path / ".ziggurat-databricks" / "lab-3.json"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"librarys": []}, "librarys: unknown key (did you mean 'libraries'?)"),
        ({"folder": "/"}, "folder: unknown key"),
        ({"name": "Lab 3"}, "name: this should be small letters, digits and -"),
        ({"compute": {}}, "compute: give exactly one of cluster, job and serverless"),
        ({"compute": {"serverless": {}, "job": {"spark_version": "x", "node_type_id": "y"}}}, "exactly one of"),
        ({"compute": {"cluster": {"spark_versoin": "x", "node_type_id": "y"}}}, "did you mean 'spark_version'"),
        ({"compute": {"cluster": {"spark_version": "x"}}}, "compute.cluster.node_type_id: this is needed"),
        (
            {"compute": {"cluster": {"spark_version": "x", "node_type_id": "y", "autotermination_minutes": 5}}},
            "at least 10",
        ),
        (
            {"compute": {"job": {"spark_version": "x", "node_type_id": "y", "environment": {"K": "sk-very-secret"}}}},
            "scope/key",
        ),
        ({"endpoints": {"e": {}}}, "exactly one of external, custom, foundation and config"),
        (
            {"endpoints": {"e": {"external": {"provider": "openai", "model": "m", "secret": "sk-very-secret"}}}},
            "scope/key",
        ),
        ({"secrets": {"scope": "s", "values": {"k": "sk-very-secret"}}}, "secrets.values.k: give the name of the env"),
        ({"secrets": {"scope": "s", "values": {"k": "sk_very_secret_0123456789abcdef"}}}, "never the secret itself"),
        (
            {
                "endpoints": {
                    "e": {
                        "config": {
                            "served_entities": [{"openai_config": {"openai_api_key_plaintext": "sk-very-secret"}}]
                        }
                    }
                }
            },
            "openai_api_key_plaintext would put a secret into this file",
        ),
        (
            {"libraries": ["--index-url=https://user:sk-very-secret@index.example"]},
            "libraries.0: this is no requirement",
        ),
        ({"libraries": ["x @ https://user:sk-very-secret@index.example/x.whl"]}, "libraries.0: a library's address"),
        ({"files": {"documents": "nowhere"}}, "files.documents: there is no nowhere"),
        ({"files": {"chain": "c.yaml"}}, "chat and picture are for the lab's own chain"),
        ({"ziggurat-lab": 2}, "ziggurat-lab:"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, parts, says):
    with pytest.raises(SpecError) as caught:
        read_lab(lab_file(tmp_path, changed(**parts)))
    assert says in str(caught.value)
    assert "sk-very-secret" not in str(caught.value)


def test_everything_wrong_is_said_at_once(tmp_path):
    with pytest.raises(SpecError) as caught:
        read_lab(lab_file(tmp_path, changed(librarys=[], name="?", inputs=3)))
    assert len(caught.value.findings) == 3


@pytest.mark.parametrize("text", ["- a list", "a: [", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    with pytest.raises(SpecError):
        read_lab(lab_file(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        read_lab(tmp_path / "none.yaml")


def test_what_was_made_is_found_though_the_file_is_broken_by_now(tmp_path):
    path = lab_file(tmp_path, changed(compute={}, files={"documents": "gone"}))
    assert named(path).path == tmp_path / ".ziggurat-databricks" / "lab-3.json"
    path.write_text("a: [")
    with pytest.raises(SpecError, match="nothing was made"):
        named(path)
    (tmp_path / ".ziggurat-databricks").mkdir()
    (tmp_path / ".ziggurat-databricks" / "other.json").touch()
    path.unlink()
    assert named(path).name == "other"
    (tmp_path / ".ziggurat-databricks" / "lab-3.json").touch()
    with pytest.raises(SpecError, match="states of lab-3, other"):
        named(path)


def test_a_cluster_refers_to_secrets_and_never_holds_one(tmp_path):
    shape = {"spark_version": "x", "node_type_id": "y", "environment": {"OPENAI_API_KEY": "lab-3/openai-api-key"}}
    lab = read_lab(lab_file(tmp_path, changed(compute={"job": shape | {"data_security_mode": "SINGLE_USER"}})))
    spec = cluster_spec(lab, "mark")
    assert spec["spark_env_vars"] == {"OPENAI_API_KEY": "{{secrets/lab-3/openai-api-key}}"}
    assert spec["data_security_mode"] == "SINGLE_USER"
    assert spec["custom_tags"]["ziggurat-lab"] == "mark"
