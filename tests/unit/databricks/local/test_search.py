import json
from io import BytesIO

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, DatabricksError, NotFound
from databricks.sdk.errors.platform import InvalidParameterValue, ResourceAlreadyExists
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.vectorsearch import (
    DeltaSyncVectorIndexSpecRequest,
    DirectAccessVectorIndexSpec,
    EmbeddingSourceColumn,
    EmbeddingVectorColumn,
    EndpointType,
    PipelineType,
    VectorIndexType,
)
from local_workspace import signed_in

NAME = "main.docs.index"
SCHEMA = {"id": "long", "text": "string", "year": "long", "tags": "array<string>", "v": "array<float>"}
ROWS = [
    {"id": 1, "text": "the cat sat on the mat", "year": 2020, "tags": ["pet", "home"], "v": [1.0, 0.0]},
    {"id": 2, "text": "a dog ran in the park", "year": 2021, "tags": ["pet"], "v": [0.8, 0.6]},
    {"id": 3, "text": "stars shine", "year": 2022, "tags": [], "v": [0.0, 1.0]},
]


@pytest.fixture
def local():
    with signed_in() as (made, _):
        yield made


@pytest.fixture
def client(local):
    made = WorkspaceClient(host=local.url, token=local.token)
    made.vector_search_endpoints.create_endpoint_and_wait("search", EndpointType.STANDARD)
    return made


@pytest.fixture
def index(client):
    spec = DirectAccessVectorIndexSpec(
        schema_json=json.dumps(SCHEMA),
        embedding_vector_columns=[EmbeddingVectorColumn(name="v", embedding_dimension=2)],
    )
    made = client.vector_search_indexes
    made.create_index(NAME, "search", "id", VectorIndexType.DIRECT_ACCESS, direct_access_index_spec=spec)
    made.upsert_data_vector_index(NAME, json.dumps(ROWS))
    return made


def ids(index, **asked):
    found = index.query_index(NAME, ["id"], **{"query_vector": [1.0, 0.0], "num_results": 10, **asked})
    return [row[0] for row in found.result.data_array or []]


def test_an_endpoint_is_made_listed_and_removed(client):
    assert client.vector_search_endpoints.get_endpoint("search").endpoint_status.state.value == "ONLINE"
    assert [one.name for one in client.vector_search_endpoints.list_endpoints()] == ["search"]
    with pytest.raises(ResourceAlreadyExists):
        client.vector_search_endpoints.create_endpoint("search", EndpointType.STANDARD)
    client.vector_search_endpoints.delete_endpoint("search")
    with pytest.raises(NotFound, match="search does not exist"):
        client.vector_search_endpoints.get_endpoint("search")


def test_an_endpoint_with_indexes_is_not_removed(client, index):
    with pytest.raises(BadRequest, match="still has indexes"):
        client.vector_search_endpoints.delete_endpoint("search")


def test_an_index_says_what_it_is(index):
    found = index.get_index(NAME)
    assert (found.primary_key, found.status.ready, found.status.indexed_row_count) == ("id", True, 3)
    assert [one.name for one in index.list_indexes("search")] == [NAME]
    index.delete_index(NAME)
    with pytest.raises(NotFound):
        index.get_index(NAME)


def test_the_nearest_come_first_with_scores_of_their_distance(index):
    found = index.query_index(NAME, ["id", "text"], query_vector=[1.0, 0.0], num_results=2)
    assert [one.name for one in found.manifest.columns] == ["id", "text", "score"]
    assert found.result.row_count == 2
    assert found.result.data_array[0] == [1, "the cat sat on the mat", 1.0]
    assert found.result.data_array[1][2] == pytest.approx(1 / (1 + 0.04 + 0.36), abs=1e-5)


def test_a_threshold_leaves_what_is_near(index):
    assert ids(index, score_threshold=0.5) == [1, 2]


def test_words_find_what_vectors_do_not(index):
    assert ids(index, query_text="stars", query_type="FULL_TEXT") == [3]
    assert ids(index, query_text="stars", query_type="HYBRID")[0] in (1, 3)
    assert set(ids(index, query_text="stars", query_type="HYBRID")) == {1, 2, 3}


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"id": 2}, [2]),
        ({"id": [1, 3]}, [1, 3]),
        ({"id NOT": [1, 3]}, [2]),
        ({"year >": 2020}, [2, 3]),
        ({"year >=": 2021, "year <": 2022}, [2]),
        ({"year <=": 2020}, [1]),
        ({"text LIKE": "dog"}, [2]),
        ({"text LIKE": "do"}, []),
        ({"text LIKE": "%shin%"}, [3]),
        ({"text NOT LIKE": "dog"}, [1, 3]),
        ({"tags": "pet"}, [1, 2]),
        ({"tags": ["home", "none"]}, [1]),
        ({"id OR year": [1, 2022]}, [1, 3]),
        ({}, [1, 2, 3]),
    ],
)
def test_filters_in_json(index, filters, left):
    assert ids(index, filters_json=json.dumps(filters)) == left


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ('{"colour": 1}', "'colour'"),
        ('{"year ~": 1}', "'~'"),
        ('{"year >": [1]}', "one number"),
        ('{"year": {"a": 1}}', "numbers, texts or booleans"),
        ('{"id OR year": 1}', "list with a value for each"),
        ("not json", "not JSON"),
        ("[1]", "JSON object"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused_by_name(index, filters, told):
    with pytest.raises(InvalidParameterValue, match=told.replace("(", r"\(")):
        ids(index, filters_json=filters)


@pytest.mark.parametrize(
    ("filter_string", "left"),
    [
        ("year > 2020 AND NOT id = 3", [2]),
        ("text LIKE '%cat%' OR id IN (3)", [1, 3]),
        ("year BETWEEN 2020 AND 2021", [1, 2]),
    ],
)
def test_filters_in_sql(local, index, filter_string, left):
    assert _by_get(local, filter_string) == left


@pytest.mark.parametrize("filter_string", ["nothing = 1", "year >", "1) UNION SELECT 1 --", "load_extension('x') = 1"])
def test_a_filter_in_sql_that_cannot_be_is_refused(local, index, filter_string):
    answer = _asked_by_get(local, filter_string)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def _asked_by_get(local, filter_string):
    from local_workspace import client_of

    body = {"columns": ["id"], "query_vector": [1.0, 0.0], "filter_string": filter_string}
    with client_of(local) as client:
        return client.request("GET", f"/api/2.0/vector-search/indexes/{NAME}/query", json=body)


def _by_get(local, filter_string):
    return [row[0] for row in _asked_by_get(local, filter_string).json()["result"]["data_array"]]


def test_rows_are_written_anew_by_their_key_and_removed(index):
    index.upsert_data_vector_index(NAME, json.dumps([{**ROWS[0], "text": "another", "v": [0.0, -1.0]}]))
    assert ids(index) == [2, 3, 1]
    assert ids(index, query_text="cat", query_type="FULL_TEXT") == []
    assert index.delete_data_vector_index(NAME, ["1", "9"]).result.success_row_count == 1
    assert ids(index) == [2, 3]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"text": "x", "v": [0, 1]}, "primary key 'id'"),
        ({"id": 4, "colour": "red", "v": [0, 1]}, "'colour'"),
        ({"id": 4, "text": "x"}, "no vector"),
        ({"id": 4, "v": [0, 1, 2]}, "3 dimensions"),
        ({"id": 4, "v": ["a", "b"]}, "no numbers"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_none_is_written(index, row, told):
    with pytest.raises(InvalidParameterValue, match=told):
        index.upsert_data_vector_index(NAME, json.dumps([{**ROWS[0], "id": 5}, row]))
    assert index.get_index(NAME).status.indexed_row_count == 3


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"query_vector": [1.0]}, "1 dimensions"),
        ({"query_vector": None, "query_text": "cat"}, "no embedding model endpoint"),
        ({"query_vector": None}, "Either query_text or query_vector"),
        ({"query_type": "GUESS"}, "GUESS"),
        ({"query_type": "FULL_TEXT"}, "query_text is required"),
        ({"num_results": 20_000}, "num_results"),
    ],
)
def test_a_query_that_cannot_be_is_refused(index, asked, told):
    with pytest.raises(InvalidParameterValue, match=told):
        ids(index, **asked)


def test_what_is_not_here_is_named(index):
    with pytest.raises(DatabricksError, match="'facets'"):
        ids(index, facets=["year"])
    with pytest.raises(InvalidParameterValue, match="colour"):
        index.query_index(NAME, ["colour"], query_vector=[1.0, 0.0])


def test_pages_follow_one_another_until_there_are_no_more(local, index):
    local.workspace.search.page_rows = 2
    first = index.query_index(NAME, ["id"], query_vector=[1.0, 0.0], num_results=3)
    second = index.query_next_page(NAME, endpoint_name="search", page_token=first.next_page_token)
    assert [row[0] for row in first.result.data_array + second.result.data_array] == [1, 2, 3]
    assert not second.next_page_token
    with pytest.raises(InvalidParameterValue, match="page token"):
        index.query_next_page(NAME, page_token=first.next_page_token)


def test_a_scan_goes_by_key(index):
    first = index.scan_index(NAME, num_results=2)
    assert first.last_primary_key == "2"
    last = index.scan_index(NAME, num_results=2, last_primary_key="2")
    values = {one.key: one.value for one in last.data[0].fields}
    assert (values["id"].number_value, values["text"].string_value) == (3, "stars shine")


def synced(client, source="main.docs.passages", **more):
    spec = DeltaSyncVectorIndexSpecRequest(
        source_table=source,
        pipeline_type=PipelineType.TRIGGERED,
        embedding_source_columns=[
            EmbeddingSourceColumn(name="text", embedding_model_endpoint_name="databricks-bge-large-en")
        ],
        **more,
    )
    client.vector_search_indexes.create_index(
        NAME, "search", "id", VectorIndexType.DELTA_SYNC, delta_sync_index_spec=spec
    )


def table(client, rows, name="passages.jsonl"):
    if "main" not in {one.name for one in client.catalogs.list()}:
        client.catalogs.create("main")
    if "docs" not in {one.name for one in client.schemas.list("main")}:
        client.schemas.create("docs", "main")
        client.volumes.create("main", "docs", "tables", VolumeType.MANAGED)
    text = "\n".join(map(json.dumps, rows)) if isinstance(rows, list) else rows
    client.files.upload(f"/Volumes/main/docs/tables/{name}", BytesIO(text.encode()), overwrite=True)


def test_a_synced_index_embeds_a_table_and_follows_it(client):
    table(client, [{"id": 1, "text": "rice grows"}, {"id": 2, "text": "the sea is deep"}])
    synced(client)
    found = client.vector_search_indexes.query_index(NAME, ["id", "text"], query_text="the sea is deep", num_results=1)
    assert found.result.data_array[0][:2] == [2, "the sea is deep"]
    table(client, [{"id": 7, "text": "the sea is deep"}])
    client.vector_search_indexes.sync_index(NAME)
    assert client.vector_search_indexes.get_index(NAME).status.indexed_row_count == 1
    with pytest.raises(InvalidParameterValue, match="Direct Access"):
        client.vector_search_indexes.upsert_data_vector_index(NAME, "[]")


def test_columns_that_are_not_asked_for_are_not_synced(client):
    table(client, [{"id": 1, "text": "rice", "year": 1, "secret": "x"}])
    synced(client, columns_to_sync=["year"])
    with pytest.raises(InvalidParameterValue, match="secret"):
        client.vector_search_indexes.query_index(NAME, ["secret"], query_text="rice")


def test_a_parquet_file_is_a_table(client, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"id": [1], "text": ["rice"]}), tmp_path / "t.parquet")
    table(client, [])
    client.files.upload("/Volumes/main/docs/tables/rice.parquet", BytesIO((tmp_path / "t.parquet").read_bytes()))
    synced(client, "/Volumes/main/docs/tables/rice.parquet")
    assert client.vector_search_indexes.get_index(NAME).status.indexed_row_count == 1


@pytest.mark.parametrize("content", ["{not json", '"a text"', "[1]"])
def test_a_table_that_is_none_is_refused_and_no_index_is_made(client, content):
    table(client, content, "bad.json")
    with pytest.raises(InvalidParameterValue, match=r"bad\.json"):
        synced(client, "/Volumes/main/docs/tables/bad.json")
    with pytest.raises(NotFound):
        client.vector_search_indexes.get_index(NAME)


def test_a_table_that_is_not_there_is_named(client):
    with pytest.raises(NotFound, match=r"main\.docs\.passages"):
        synced(client)


@pytest.mark.parametrize(
    ("name", "key", "spec", "told"),
    [
        ("two.parts", "id", {"schema_json": "{}"}, "catalog.schema.index"),
        (NAME, "id", {"schema_json": "not json"}, "schema_json"),
        (NAME, "nothing", {"schema_json": json.dumps(SCHEMA)}, "'nothing'"),
    ],
)
def test_an_index_that_cannot_be_is_refused(client, name, key, spec, told):
    asked = DirectAccessVectorIndexSpec(
        **spec, embedding_vector_columns=[EmbeddingVectorColumn(name="v", embedding_dimension=2)]
    )
    with pytest.raises(InvalidParameterValue, match=told):
        client.vector_search_indexes.create_index(
            name, "search", key, VectorIndexType.DIRECT_ACCESS, direct_access_index_spec=asked
        )
