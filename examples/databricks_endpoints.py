"""Databricks' endpoints as models: run it whole, or cell by cell in an editor that knows ``# %%``.

The notebook beside it holds the same cells; ``notebook.py`` writes it from this file.
"""
# ruff: noqa: E402 (a cell imports what it shows)

# %% [markdown]
# # Databricks endpoints as models
#
# A workspace serves models in four ways: models of other providers behind its own door (*external*),
# models that are there for everybody (*foundation*), models of one's own (*custom*), and a small server
# on the driver of a cluster, for trying things out. Here each becomes a LangChain model, and a stage.
#
# It runs as it stands on a workspace that lives on this machine, with local models behind its endpoints.
# Where `DATABRICKS_HOST` and `DATABRICKS_TOKEN` are set, it runs on that workspace instead; what it makes
# there (an endpoint, a secret) it removes at the end. Other credentials: give `profile="NAME"` to a model.
#
# ```
# pip install ".[databricks,mlflow,local]"      # in a checkout of this project
# ```

# %%
import os

from ziggurat.databricks import LocalWorkspace

LOCAL = not os.environ.get("DATABRICKS_HOST")
if LOCAL:
    workspace = LocalWorkspace().__enter__()  # in a program: with LocalWorkspace() as workspace:
    os.environ["DATABRICKS_HOST"] = workspace.url
    os.environ["DATABRICKS_TOKEN"] = workspace.token

# %% [markdown]
# ## An external model
#
# Its key goes into a secret, and the endpoint is told where that is. `mlflow.deployments` makes the
# endpoint here; `ziggurat databricks endpoints create`, `databricks-sdk` and `ziggurat.databricks.endpoints`
# take the same description. On the local workspace the key is not used: a local model answers.

# %%
from mlflow.deployments import get_deploy_client

from ziggurat.databricks import Calls, Endpoints, Secrets, external
from ziggurat.databricks.secrets import Reference
from ziggurat.workspace import access

calls = Calls(access())
key = Reference("ziggurat-example", "openai-api-key")
Secrets(calls).put(key, os.environ.get("OPENAI_API_KEY", "no key is needed here"))

name = "ziggurat-example-chat"
get_deploy_client("databricks").create_endpoint(
    config={"name": name, "config": external("gpt-4.1", "openai", f"{key.scope}/{key.key}")}
)
for state in Endpoints(calls).wait(name):
    print(state.name, state.word)

# %%
from langchain_core.messages import HumanMessage

from ziggurat.databricks import ChatDatabricks

chat = ChatDatabricks(endpoint=name, temperature=0.1, max_tokens=40)
print(chat.invoke([HumanMessage("Say hello in one short sentence.")]).text)

# %% [markdown]
# It streams, tells what it used, calls tools and fills schemas, as LangChain's models do.

# %%
used = None
for piece in chat.stream("Count from one to five."):
    print(piece.text, end="", flush=True)
    used = piece.usage_metadata or used
print(f"\n{used}")

# %% [markdown]
# ## A foundation model
#
# Nothing has to be made: it is there.

# %%
from ziggurat.databricks import DatabricksEmbeddings

embeddings = DatabricksEmbeddings(endpoint="databricks-gte-large-en" if not LOCAL else "databricks-bge-large-en")
print(embeddings.embed_query("hello")[:3])

# %% [markdown]
# ## A custom model
#
# A model that was logged with MLflow and takes `prompt` and `stop`. On the local workspace one stands
# ready under the name `dolly`; on another, put the name of yours here.

# %%
from ziggurat.databricks import Databricks

custom = os.environ.get("CUSTOM_ENDPOINT", "dolly" if LOCAL else "")
if LOCAL:
    workspace.workspace.serving.serve("dolly", "local:qwen2.5-coder-0.5b")
if custom:
    llm = Databricks(endpoint_name=custom, max_tokens=40)
    print(llm.invoke("How are you?"))
    print(llm.invoke("How are you?", stop=["."]))

# %% [markdown]
# What else it takes goes into `model_kwargs`. A model that wants its request in another form, or gives
# something other than text, has it put right by two functions.

# %%
if custom:

    def concise(**request):
        return {**request, "prompt": request["prompt"] + "\nBe concise."}

    def shouted(text):
        return text.upper()

    llm = Databricks(
        endpoint_name=custom,
        model_kwargs={"temperature": 0.1, "max_tokens": 40},
        transform_input_fn=concise,
        transform_output_fn=shouted,
    )
    print(llm.invoke("What is the capital of Portugal?"))

# %% [markdown]
# ## An application on a driver
#
# On a cluster, `ziggurat databricks driver-app --listen 0.0.0.0` serves any model to the notebooks on it
# and, through the workspace's driver proxy, to everybody who may attach to the cluster. Here it runs
# beside this notebook, and the local workspace passes on what is asked of its cluster.

# %%
import atexit
import subprocess
import sys
import time

import httpx

PORT = int(os.environ.get("DRIVER_PORT", "7777"))
app = None
if LOCAL:
    command = [sys.executable, "-m", "ziggurat", "databricks", "driver-app", "--port", str(PORT), "--max-tokens", "40"]
    app = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 (this very program)
    atexit.register(app.kill)
    for _ in range(600):
        try:
            print(httpx.get(f"http://127.0.0.1:{PORT}/health").json()["status"])
            break
        except httpx.HTTPError:
            time.sleep(0.1)

# %% [markdown]
# In a notebook on that cluster the port is enough. From elsewhere the cluster is named too.

# %%
from databricks.sdk import WorkspaceClient

if LOCAL:
    os.environ["DATABRICKS_RUNTIME_VERSION"] = "16.4"  # what a cluster sets; here we play one
    print(Databricks(cluster_driver_port=PORT).invoke("How are you?"))
    del os.environ["DATABRICKS_RUNTIME_VERSION"]

    client = WorkspaceClient()
    cluster = client.clusters.create_and_wait(
        spark_version=client.clusters.select_spark_version(long_term_support=True),
        node_type_id=client.clusters.select_node_type(local_disk=True),
        cluster_name="ziggurat-example",
        num_workers=1,
        autotermination_minutes=10,
    )
    through = Databricks(cluster_id=cluster.cluster_id, cluster_driver_port=PORT, model_kwargs={"temperature": 0.1})
    print(through.invoke("What is the capital of Portugal?", stop=["\n"]))

# %% [markdown]
# ## The same as stages
#
# A chain names its models, so it moves from a laptop to a workspace by changing the names.

# %%
from ziggurat import LLM, MultiChain

chain = MultiChain(
    answer=LLM("Answer in one short sentence: {question}", f"databricks:{name}", max_tokens=40),
    title=LLM("A title of three words for: {answer}", f"databricks:{name}", max_tokens=12),
)
run = chain.run(question="What is Apache Spark used for?")
print(run["answer"])
print(run["title"])

# %% [markdown]
# ## Leave nothing behind

# %%
Endpoints(calls).delete(name)
Secrets(calls).delete_scope(key.scope)
if app is not None:
    app.terminate()
    app.wait()
if LOCAL:
    client.clusters.permanent_delete(cluster.cluster_id)
    print([one.cluster_name for one in client.clusters.list()])
    workspace.__exit__(None, None, None)
