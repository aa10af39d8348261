"""Whatever JSON is sent to whatever route: a clear refusal, never a broken server or a dropped connection."""

import json

import pytest
from local_workspace import CHAT, signed_in

from ziggurat.testing import FakeChat

ASKED = {"messages": [{"role": "user", "content": "x"}], "model": CHAT, "input": "x", "prompt": "x"}
INDEX = {"name": "a.b.c", "primary_key": "id", "index_type": "DIRECT_ACCESS", "endpoint_name": "s"}
QUERY = {"columns": ["id"], "query_vector": [1, 0]}
BODIES = [
    *({}, [], "text", 3, None),
    *({"name": 3, "config": 7}, {"name": "e", "config": {"served_entities": [3]}}, {"name": "e", "tags": [3]}),
    *({"rate_limits": [3]}, {"rate_limits": [{"renewal_period": "minute", "calls": "x"}]}, {"add_tags": [{}]}),
    *({**ASKED, "messages": [3], "input": [3], "prompt": [3]}, {**ASKED, "tools": [{}]}, {**ASKED, "tools": 3}),
    *({**ASKED, "stop": 3}, {**ASKED, "response_format": 3, "text": 3}, {**ASKED, "n": "x", "max_tokens": "x"}),
    *({**ASKED, "stream": True, "stream_options": 3}, {**ASKED, "input": [{"type": "function_call"}]}),
    *({"dataframe_records": 3}, {"dataframe_split": {"columns": 3, "data": [3]}}, {"inputs": {"prompt": 3}}),
    *({"scope": "s", "key": "k", "string_value": 3}, {"scope": 3}, {"lifetime_seconds": "x"}, {"token_id": 3}),
    *({**INDEX, "direct_access_index_spec": 3}, {**INDEX, "direct_access_index_spec": {"schema_json": 3}}),
    *(
        {**QUERY, "columns": [{}]},
        {**QUERY, "num_results": "x"},
        {**QUERY, "filters_json": 3},
        {**QUERY, "query_vector": "x"},
    ),
    *(
        {"inputs_json": "[3]"},
        {"inputs_json": '[{"id": {}, "v": [1, 0]}]'},
        {"inputs_json": '[{"id": 4, "v": [NaN, 0]}]'},
    ),
    *({"primary_keys": [{}]}, {"page_token": 3}, {"refuse": "x"}, {"stall": [1]}, {"seed": {}}),
]


@pytest.mark.parametrize("area", ["identity", "secrets", "serving", "search", "control"])
def test_no_body_breaks_a_route(area):
    with signed_in() as (local, client):
        local.workspace.serving.serve("dolly", FakeChat())
        client.post("/api/2.0/secrets/scopes/create", json={"scope": "s"})
        client.post("/api/2.0/vector-search/endpoints", json={"name": "s"})
        spec = {"schema_json": json.dumps({"id": "long", "v": "array<float>"})}
        spec["embedding_vector_columns"] = [{"name": "v", "embedding_dimension": 2}]
        made = client.post(
            "/api/2.0/vector-search/indexes", json={**INDEX, "name": "m.d.i", "direct_access_index_spec": spec}
        )
        assert made.status_code == 200
        for route in getattr(local.workspace, area).routes():
            if route.method == "DELETE" and not route.path.endswith("data"):
                continue
            for name in ("dolly", CHAT) if "/{name}/" in route.path and area == "serving" else ("s",):
                path = route.path.format(name=name, index="m.d.i", served=name, tenant="t")
                for body in BODIES:
                    answer = client.request(route.method, path, json=body)
                    assert answer.status_code < 500 or answer.status_code == 501, (path, body, answer.text)
                    assert answer.status_code < 400 or "message" in answer.text or "error" in answer.text
                client.put("/_local/faults", json={})
