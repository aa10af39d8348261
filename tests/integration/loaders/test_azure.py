"""A container by the real client, against Azurite."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, ContentSettings, generate_container_sas
from azurite_server import ACCOUNT, KEY, azurite_server

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders import load, open_source
from ziggurat.loaders.cloud_azure import open_azure

WHERE = f"az://{ACCOUNT}/library"


@pytest.fixture(scope="module")
def endpoint():
    with azurite_server() as endpoint:
        yield endpoint


@pytest.fixture
def container(endpoint, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    with ContainerClient(endpoint, "library", credential={"account_name": ACCOUNT, "account_key": KEY}) as client:
        client.create_container()
        yield client
        client.delete_container()


@pytest.fixture
def put(container):
    def put(name, body, **more):
        container.upload_blob(name, body, overwrite=True, **more)

    return put


def opened(endpoint, address=WHERE, **options):
    return open_source(address, endpoint=endpoint, **({"account_key": KEY} | options))


def test_blobs_are_listed_with_their_tags_and_read_as_files(put, endpoint):
    put("docs/a.md", "# Alpha\n\ntext")
    put("docs/deep/b.txt", "beta")
    put("docs2/c.txt", "not below docs")
    put("docs/folder", b"", metadata={"hdi_isfolder": "true"})
    source = opened(endpoint, f"{WHERE}/docs")
    items = list(source.items())
    assert source.name == f"{WHERE}/docs"
    assert [(item.key, item.size) for item in items] == [(f"{WHERE}/docs/a.md", 13), (f"{WHERE}/docs/deep/b.txt", 4)]
    (alpha,) = items[0].read()
    assert (alpha.source, alpha.title, alpha.kind) == (f"{WHERE}/docs/a.md", "Alpha", "markdown")


def test_a_stamp_changes_when_a_blob_is_written(put, endpoint):
    put("a.txt", "one")
    (first,) = opened(endpoint).items()
    (same,) = opened(endpoint).items()
    put("a.txt", "two")
    (changed,) = opened(endpoint).items()
    assert first.stamp == same.stamp != changed.stamp


def test_every_way_to_sign_in_reads(put, endpoint, monkeypatch):
    put("a.txt", "text")
    scheme, _, rest = endpoint.partition("://")
    string = f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={scheme}://{rest};"
    sas = generate_container_sas(
        ACCOUNT,
        "library",
        account_key=KEY,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", string)
    for options in (
        {"connection_string": string},
        {"endpoint": endpoint, "sas_token": f"?{sas}"},
        {"endpoint": endpoint, "account_key": KEY},
        {},
    ):
        (document,) = load(WHERE, **options)
        assert document.text == "text"
        assert KEY not in repr(open_azure(WHERE, **options))


def test_a_public_container_is_read_without_keys(put, endpoint, container):
    put("a.txt", "open to all")
    container.set_container_access_policy(signed_identifiers={}, public_access="container")
    assert next(load(WHERE, endpoint=endpoint, anonymous=True)).text == "open to all"


def test_whoever_is_not_let_in_is_told_so_without_secrets(put, endpoint):
    put("a.txt", "text")
    wrong = "d3Jvbmc="
    for options, said in (
        ({"account_key": wrong}, "not accepted|denied"),
        ({"account_key": None, "anonymous": True}, "denied|not public|no such"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            list(opened(endpoint, **options).items())
        assert wrong not in str(caught.value)
        assert "\n" not in caught.value.what


def test_nobody_signed_in_is_told_so(endpoint, container, monkeypatch):
    from azure.core.exceptions import ClientAuthenticationError

    class Nobody:
        def get_token(self, *scopes, **options):
            raise ClientAuthenticationError("long words with a tenant in them")

    with pytest.raises(InputError, match="Nobody is signed in"):
        list(open_azure(WHERE, endpoint=endpoint.replace("http://", "https://"), credential=Nobody()).items())


def test_blobs_that_cannot_be_read_are_one_line_each(put, endpoint):
    put("a.txt", "good")
    put("b.mp4", b"\0\0\0\x18ftypmp42")
    put("c.pdf", "no pdf at all")
    put("d", "<html><body><p>hello there</p></body></html>", content_settings=ContentSettings(content_type="text/html"))
    put("e.txt", "x" * 2000)
    said = {}
    documents = list(
        load(
            WHERE,
            endpoint=endpoint,
            account_key=KEY,
            max_bytes=1000,
            on_problem=lambda key, error: said.update({key: error.what}),
        )
    )
    assert [document.text for document in documents] == ["good", "hello there"]
    assert sorted(said) == [f"{WHERE}/{name}" for name in ("b.mp4", "c.pdf", "e.txt")]
    assert "at most 1,000" in said[f"{WHERE}/e.txt"]


def test_a_large_blob_is_read_in_pieces(put, endpoint):
    text = "words and more words\n" * 2_000_000
    put("large.txt", text)
    (document,) = load(f"{WHERE}/large.txt", endpoint=endpoint, account_key=KEY)
    assert document.text == text


def test_a_blob_that_vanishes_before_it_is_read_is_one_line(put, endpoint, container):
    put("a.txt", "here")
    (item,) = opened(endpoint).items()
    container.delete_blob("a.txt")
    with pytest.raises(UnreadableDocument, match="gone") as caught:
        list(item.read())
    assert caught.value.where == f"{WHERE}/a.txt"


def test_a_missing_container_and_an_empty_prefix_are_errors_of_the_source(container, endpoint):
    with pytest.raises(InputError, match="no such container"):
        list(opened(endpoint, f"az://{ACCOUNT}/nowhere").items())
    with pytest.raises(InputError, match="nothing at this address"):
        list(opened(endpoint, f"{WHERE}/mistyped").items())
    assert list(opened(endpoint).items()) == []


@pytest.mark.parametrize(
    ("address", "options"), [("az://", {}), ("az://account", {}), (WHERE, {"connection_string": "nonsense"})]
)
def test_addresses_and_strings_that_name_nothing_are_refused(address, options, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    with pytest.raises(InputError):
        open_azure(address, **options)
