"""The code of a well-known notebook on endpoints, block by block as it stands, against the local workspace.

Its imports are mapped to what they were meant to be, its placeholders filled in as its comments ask; nothing
else is changed. What it does that cannot be here: its model is a small one that is made for the test, and its
server listens on this machine alone.
"""

import ast
import contextlib
import re
import socket
import sys
import threading
import types
from pathlib import Path

import flask
import pytest
import tiny_transformers
from quick_workspace import plain, quick_workspace, sdk
from werkzeug.serving import make_server

from ziggurat.databricks import ChatDatabricks, Databricks, DatabricksEmbeddings
from ziggurat.databricks.local import Models
from ziggurat.testing import FakeChat, FakeEmbeddings

SEEDS = Path(__file__).parents[2].parent / "shared" / "seeds"
SAID = {"hello": "Hello! How can I help?", "": "I am well. Thank you!"}

pytestmark = [
    pytest.mark.skipif(not SEEDS.is_dir(), reason="the exercise's text is not beside this checkout"),
    pytest.mark.filterwarnings("ignore:Passing 'name', 'config':UserWarning"),  # MLflow: of the notebook's own call
]


def blocks():
    text = next(SEEDS.glob("003_*.txt")).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


class Served(flask.Flask):
    """Flask, whose `run` comes back and listens on this machine alone."""

    servers = ()

    def run(self, host=None, port=None):
        assert host == "0.0.0.0"  # noqa: S104 (what the notebook asks for, and does not get here)
        server = make_server("127.0.0.1", int(port), self, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Served.servers = (*Served.servers, server)


@pytest.fixture
def served():
    yield Served
    for server in Served.servers:
        server.shutdown()
        server.server_close()
    Served.servers = ()


def small(folder):
    """The transformers library as the notebook uses it, with a model that is here instead of the one it names."""
    from transformers import AutoTokenizer, StoppingCriteria, pipeline

    return {
        "StoppingCriteria": StoppingCriteria,
        "AutoTokenizer": types.SimpleNamespace(
            from_pretrained=lambda _, **more: AutoTokenizer.from_pretrained(folder, **more)
        ),
        "pipeline": lambda *, model, trust_remote_code, device_map, **more: pipeline(
            "text-generation", model=str(folder), max_new_tokens=8, **more
        ),
    }


def free_port():
    for port in range(7001, 8000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


@pytest.fixture
def world(monkeypatch, tmp_path, served):
    """A workspace that holds what the notebook takes for granted, and its imports mapped."""
    chat = FakeChat(script=SAID)
    monkeypatch.setenv("MLFLOW_MODEL_CATALOG_URI", "")
    with quick_workspace(models=Models(chat=chat, embeddings=FakeEmbeddings(dimensions=24))) as local:
        monkeypatch.setenv("DATABRICKS_HOST", local.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", local.token)
        local.workspace.serving.serve("dolly", chat)
        client = sdk(local)
        for scope, key, value in (("lab", "openai-api-key", "sk-x"), ("myworkspace", "api_token", local.token)):
            client.secrets.create_scope(scope)
            client.secrets.put_secret(scope, key, string_value=value)
        cluster = client.clusters.create_and_wait(
            spark_version="16.4.x-scala2.12", node_type_id="Standard_DS3_v2", num_workers=1, cluster_name="lab"
        )
        mapped = {
            "langchain_community": {},
            "langchain_community.chat_models": {"ChatDatabricks": ChatDatabricks},
            "langchain_community.embeddings": {"DatabricksEmbeddings": DatabricksEmbeddings},
            "langchain_community.llms": {"Databricks": Databricks},
            "flask": {"Flask": served, "request": flask.request, "jsonify": flask.jsonify},
            "dbutils": {"secrets": client.dbutils.secrets},
            "transformers": small(tiny_transformers.decoder(tmp_path / "dolly")),
        }
        yield local, cluster.cluster_id, mapped


def filled(block, local, cluster, port):
    """A block with its placeholders filled in."""
    for placeholder, value in {
        "<scope>": "lab",
        "myworkspace.cloud.databricks.com": local.url,
        "0000-000000-xxxxxxxx": cluster,
        "7777": str(port),
    }.items():
        block = block.replace(placeholder, value)
    return block


@contextlib.contextmanager
def imports(mapped):
    """What a block imports is what was meant."""
    with pytest.MonkeyPatch.context() as patch:
        for name, found in mapped.items():
            module = types.ModuleType(name)
            vars(module).update(found)
            patch.setitem(sys.modules, name, module)
        yield


def values(block, scope, mapped):
    """Run a block as a notebook does; what its last line gives."""
    tree = ast.parse(block)
    first = [one for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)]
    rest = [one for one in tree.body if one not in first]
    last = rest.pop() if isinstance(rest[-1], ast.Expr) else None
    with imports(mapped):
        exec(compile(ast.Module(first, []), "notebook", "exec"), scope)  # noqa: S102 (the text this test is about)
    exec(compile(ast.Module(rest, []), "notebook", "exec"), scope)  # noqa: S102
    return None if last is None else eval(compile(ast.Expression(last.value), "notebook", "eval"), scope)  # noqa: S307


def test_every_block_of_the_notebook_runs(world, monkeypatch):
    local, cluster, mapped = world
    port = free_port()
    scope = {}
    found = blocks()
    assert len(found) == 12
    given = [filled(one, local, cluster, port) for one in found]

    assert values(given[0], scope, mapped).content == "Hello! How can I help?"
    with plain(local) as client:
        made = client.get("/api/2.0/serving-endpoints/my-chat").json()
    entity = made.get("config", made.get("pending_config"))["served_entities"][0]["external_model"]
    assert entity["openai_config"]["openai_api_key"] == "{{secrets/lab/openai-api-key}}"
    assert len(values(given[1], scope, mapped)) == 3
    assert values(given[2], scope, mapped) == "I am well. Thank you!"
    assert values(given[3], scope, mapped) == "I am well"
    assert values(given[4], scope, mapped) == "I am well. Thank you!"
    assert values(given[5], scope, mapped) == "I am well. Thank you!"
    assert values(given[6], scope, mapped) == "I am well. Thank you!"

    values(given[7], {}, mapped)  # the driver's application: a notebook of its own, since it has an `llm` too
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")  # the notebook is attached to the cluster
    attached = values(given[8], scope, mapped)
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION")
    named = values(given[9], scope, mapped)
    assert attached == named
    assert attached.startswith("你好吗？")
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    assert values(given[10], scope, mapped).startswith("你好吗？")
    transformed = values(given[11], scope, mapped)
    assert "言简意赅" in transformed
    assert transformed == transformed.upper()
