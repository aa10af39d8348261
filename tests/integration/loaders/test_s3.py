"""A bucket by boto3's real client, against moto's server over HTTP."""

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from ziggurat.errors import InputError, UnreadableDocument, UnsupportedDocument
from ziggurat.loaders import load, open_source

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint, monkeypatch, tmp_path):
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "very-secret"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(retries={"max_attempts": 1})
    )
    client.create_bucket(Bucket="library")
    yield client
    for one in client.list_objects_v2(Bucket="library").get("Contents", ()):
        client.delete_object(Bucket="library", Key=one["Key"])
    client.delete_bucket(Bucket="library")
    client.close()


@pytest.fixture
def put(s3):
    def put(key, body, **more):
        s3.put_object(Bucket="library", Key=key, Body=body.encode() if isinstance(body, str) else body, **more)

    return put


def test_objects_are_listed_with_their_tags_and_read_as_files(put, endpoint):
    put("docs/a.md", "# Alpha\n\ntext")
    put("docs/deep/b.txt", "beta")
    put("docs2/c.txt", "not below docs")
    put("docs/", "")
    source = open_source("s3://library/docs", endpoint_url=endpoint)
    items = list(source.items())
    assert source.name == "s3://library/docs"
    assert [(item.key, item.size) for item in items] == [
        ("s3://library/docs/a.md", 13),
        ("s3://library/docs/deep/b.txt", 4),
    ]
    (alpha,) = items[0].read()
    assert (alpha.source, alpha.title, alpha.kind) == ("s3://library/docs/a.md", "Alpha", "markdown")


def test_a_stamp_changes_with_the_content_only(put, endpoint):
    def stamp():
        (item,) = open_source("s3://library/a.txt", endpoint_url=endpoint).items()
        return item.stamp

    put("a.txt", "one")
    first = stamp()
    put("a.txt", "one")
    assert stamp() == first
    put("a.txt", "two")
    assert stamp() != first


def test_more_objects_than_a_page_of_the_list_holds_are_all_listed(put, endpoint, s3):
    for n in range(25):
        put(f"many/{n:03}.txt", f"number {n}")
    pages = []
    small = s3.get_paginator

    def paginator(name):
        whole = small(name)
        whole.paginate, original = (lambda **more: original(PaginationConfig={"PageSize": 10}, **more)), whole.paginate
        pages.append(name)
        return whole

    s3.get_paginator = paginator
    assert len(list(open_source("s3://library/many", client=s3).items())) == 25
    assert pages == ["list_objects_v2"]


def test_objects_are_chosen_by_patterns(put, endpoint):
    for name in ("a.txt", "b.md", "old/c.txt"):
        put(name, "text")
    source = open_source("s3://library", endpoint_url=endpoint, include="*.txt", exclude="old/*")
    assert [item.key for item in source.items()] == ["s3://library/a.txt"]


def test_the_type_that_was_uploaded_counts_where_the_name_has_none(put, endpoint):
    put("page", "<html><body><p>hello there</p></body></html>", ContentType="text/html")
    put("notes.txt", "plain", ContentType="application/octet-stream")
    texts = [document.text for document in load("s3://library", endpoint_url=endpoint)]
    assert texts == ["plain", "hello there"]


def test_objects_that_cannot_be_read_are_one_line_each(put, endpoint):
    put("a.txt", "good")
    put("b.mp4", b"\0\0\0\x18ftypmp42" * 1000)
    put("c.pdf", "no pdf at all")
    put("d.txt", "")
    put("e.txt", "x" * 2000)
    said = {}
    documents = list(
        load(
            "s3://library",
            endpoint_url=endpoint,
            max_bytes=1000,
            on_problem=lambda key, error: said.update({key: error}),
        )
    )
    assert [document.text for document in documents] == ["good"]
    assert sorted(said) == [f"s3://library/{name}" for name in ("b.mp4", "c.pdf", "d.txt", "e.txt")]
    assert "at most 1,000" in said["s3://library/e.txt"].what
    assert "at most 1,000" in said["s3://library/b.mp4"].what


def test_a_film_is_refused_by_its_first_bytes(put, endpoint):
    put("b.mp4", b"\0\0\0\x18ftypmp42" * 400_000)
    (item,) = open_source("s3://library/b.mp4", endpoint_url=endpoint).items()
    with pytest.raises(UnsupportedDocument, match=r"\.mp4"):
        list(item.read())


def test_an_object_that_vanishes_before_it_is_read_is_one_line(put, endpoint, s3):
    put("a.txt", "here")
    (item,) = open_source("s3://library", endpoint_url=endpoint).items()
    s3.delete_object(Bucket="library", Key="a.txt")
    with pytest.raises(UnreadableDocument, match="gone") as caught:
        list(item.read())
    assert caught.value.where == "s3://library/a.txt"


def test_a_missing_bucket_and_an_empty_prefix_are_errors_of_the_source(s3, endpoint):
    with pytest.raises(InputError, match="no such bucket"):
        list(open_source("s3://nowhere/x", endpoint_url=endpoint).items())
    with pytest.raises(InputError, match="nothing at this address"):
        list(open_source("s3://library/mistyped", endpoint_url=endpoint).items())
    assert list(open_source("s3://library", endpoint_url=endpoint).items()) == []


def test_no_credentials_and_an_unknown_profile_are_said(s3, endpoint, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="no credentials"):
        list(open_source("s3://library", endpoint_url=endpoint).items())
    with pytest.raises(InputError, match="no such profile"):
        open_source("s3://library", profile="nobody")


def test_a_public_bucket_is_read_without_keys(put, endpoint, monkeypatch):
    put("a.txt", "open to all", ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (document,) = load("s3://library/a.txt", endpoint_url=endpoint, anonymous=True)
    assert document.text == "open to all"


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("AccessDenied", 403, "denied"),
        ("InvalidAccessKeyId", 403, "not known"),
        ("ExpiredToken", 400, "expired"),
        ("SlowDown", 503, "SlowDown"),
    ],
)
def test_what_the_service_refuses_is_said_without_secrets(code, status, said):
    from botocore.exceptions import ClientError

    class Refusing:
        def get_paginator(self, name):
            raise ClientError(
                {
                    "Error": {"Code": code, "Message": "AKIATEST very-secret"},
                    "ResponseMetadata": {"HTTPStatusCode": status},
                },
                "ListObjectsV2",
            )

    with pytest.raises(InputError, match=said) as caught:
        list(open_source("s3://library", client=Refusing()).items())
    assert "very-secret" not in str(caught.value)
    assert "AKIATEST" not in str(caught.value)


def test_an_endpoint_that_is_down_is_one_line(s3):
    with pytest.raises(InputError, match="cannot be reached"):
        list(open_source("s3://library", endpoint_url="http://127.0.0.1:1").items())


@pytest.mark.parametrize("address", ["s3://", "s3:///key", "S3:/x"])
def test_what_names_no_bucket_is_refused(address):
    from ziggurat.loaders.cloud_s3 import open_s3

    with pytest.raises(InputError, match="no address of the form"):
        open_s3(address)
