import pytest

from ziggurat import MultiChain
from ziggurat.mlflow.inside import Inside, inside, paths
from ziggurat.mlflow.needs import model_specs, requirements, resources
from ziggurat.stages.agents.settings import AgentSettings
from ziggurat.stages.image import ImageSettings
from ziggurat.stages.llm import LLMSettings
from ziggurat.stages.rerank import RerankSettings
from ziggurat.stages.sql import SQLSettings


def uses(name, settings, thing=None):
    return Inside(name, thing, name, settings)


def extras(mlflow, *stages):
    first = requirements(stages)[0]
    return set(first[first.index("[") + 1 : first.index("]")].split(",")) - {"mlflow"}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (uses("llm", LLMSettings(prompt="{a}", model="fake:echo")), set()),
        (uses("llm", LLMSettings(prompt="{a}")), {"local"}),
        (uses("llm", LLMSettings(prompt="{a}", model="openai:gpt-4.1")), {"openai"}),
        (uses("llm", LLMSettings(prompt="{a}", model="azure:mine")), {"openai"}),
        (uses("llm", LLMSettings(prompt="{a}", model="databricks:mine")), {"databricks"}),
        (uses("llm", LLMSettings(prompt="{a}", model="anthropic:claude")), {"providers"}),
        (uses("rerank", RerankSettings()), {"local"}),
        (uses("image", ImageSettings()), {"pictures"}),
        (uses("sql", SQLSettings(address="mysql+pymysql://h/d", model="fake:echo")), {"sql", "mysql"}),
        (
            uses(
                "agent",
                AgentSettings.model_validate({"tools": ["calculator", {"web_search": {}}], "model": "fake:echo"}),
            ),
            {"agents", "search"},
        ),
    ],
    ids=lambda one: one.uses if isinstance(one, Inside) else "",
)
def test_a_stage_needs_the_extras_of_its_models_and_tools(mlflow, stage, expected):
    assert extras(mlflow, stage) == expected


def test_requirements_are_pinned_and_never_what_happens_to_be_installed(mlflow):
    found = requirements([uses("llm", LLMSettings(prompt="{a}", model="fake:echo"))], ["mine==2"])
    assert [one.partition("==")[0] for one in found] == ["ziggurat[mlflow]", "mlflow-skinny", "pandas<3", "mine"]


def test_endpoints_of_databricks_are_resources_once_each(mlflow):
    kinds = mlflow.models.resources
    mine = kinds.DatabricksServingEndpoint(endpoint_name="mine")
    warehouse = kinds.DatabricksSQLWarehouse(warehouse_id="w1")
    stages = [
        uses("llm", LLMSettings(prompt="{a}", model="databricks:mine")),
        uses("llm", LLMSettings(prompt="{b}", model="databricks:mine")),
        uses("image", ImageSettings(model="databricks:pictures", chat="openai:gpt-4.1")),
    ]
    found = resources(stages, [mine, warehouse])
    assert [one.to_dict() for one in found] == [
        {"serving_endpoint": [{"name": "mine"}]},
        {"serving_endpoint": [{"name": "pictures"}]},
        {"sql_warehouse": [{"name": "w1"}]},
    ]


def test_an_ai_search_index_that_a_stage_searches_is_a_resource(mlflow):
    store = type("Store", (), {"__module__": "databricks_langchain.vectorstores", "index_name": "main.docs.kb"})()
    retriever = type("Retriever", (), {"vectorstore": store})()
    stage = Inside("qa", type("QA", (), {"retriever": retriever})(), None, None)
    assert [one.to_dict() for one in resources([stage])] == [{"vector_search_index": [{"name": "main.docs.kb"}]}]


NESTED = """\
ziggurat: 1
stages:
  book:
    uses: chain
    stages:
      parts: {uses: llm, model: "fake:fixed a", prompt: "{part}", each: {part: $texts}}
      maybe:
        uses: llm
        model: "fake:fixed b"
        prompt: "{question}"
        when: polite
        otherwise: {uses: llm, model: "fake:fixed c", prompt: "{question}"}
        fallback: {uses: llm, model: "fake:fixed d", prompt: "{question}"}
  choice:
    switch: kind
    cases:
      short: {uses: llm, model: "fake:fixed e", prompt: "{question}"}
      long: {uses: llm, model: "fake:fixed f", prompt: "{question}"}
"""


def test_stages_inside_chains_maps_branches_and_fallbacks_are_found():
    found = list(inside(MultiChain.from_yaml(NESTED)))
    assert {spec.rpartition(" ")[2] for spec in model_specs(found)} == set("abcdef")
    assert paths(found) == []
