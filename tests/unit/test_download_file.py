"""`transfer`, against servers that resume, do not resume, refuse, or hang up."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ziggurat.errors import HashMismatch
from ziggurat.models.weights.file import PATIENCE, SourceFailed, check, transfer
from ziggurat.progress import silent

DATA = bytes(range(256)) * 4096  # 1 MiB


class Server(ThreadingHTTPServer):
    """Serves DATA at /data; keeps what it was asked."""

    daemon_threads = True
    ranges = True
    hang_ups: tuple[int, ...] = ()

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        first = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        status = 404 if self.path != "/data" else 416 if first >= len(DATA) else 206 if first else 200
        self.send_response(status)
        if status == 416:
            self.send_header("Content-Range", f"bytes */{len(DATA)}")
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{len(DATA) - 1}/{len(DATA)}")
        body = DATA[first:] if status < 300 else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        turn = len(self.server.asked) - 1
        self.wfile.write(body[: self.server.hang_ups[turn]] if turn < len(self.server.hang_ups) else body)


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def part(tmp_path):
    return tmp_path / "data.part"


def test_a_transfer_goes_on_where_each_hang_up_left_it(server, part):
    server.hang_ups = (300_000, 400_000)
    transfer(f"{server.url}/data", part, label="data", progress=silent)
    assert part.read_bytes() == DATA
    assert server.asked == [None, "bytes=300000-", "bytes=700000-"]


def test_a_server_that_knows_no_ranges_sends_everything_again(server, part):
    server.ranges, server.hang_ups = False, (300_000,)
    transfer(f"{server.url}/data", part, label="data", progress=silent)
    assert part.read_bytes() == DATA


@pytest.mark.parametrize("before", [DATA, DATA + b"and more", DATA[:77]])
def test_whatever_is_there_before_the_file_is_right_after(server, part, before):
    part.write_bytes(before)
    transfer(f"{server.url}/data", part, label="data", progress=silent)
    assert part.read_bytes() == DATA


def test_a_refusal_is_final_and_not_repeated(server, part):
    with pytest.raises(SourceFailed, match="404"):
        transfer(f"{server.url}/nothing", part, label="data", progress=silent)
    assert len(server.asked) == 1


def test_a_connection_that_brings_nothing_is_given_up(server, part):
    server.hang_ups = (0,) * 10
    with pytest.raises(SourceFailed, match=r"127\.0\.0\.1"):
        transfer(f"{server.url}/data", part, label="data", progress=silent)
    assert len(server.asked) == PATIENCE + 1


def test_a_file_address_is_copied(part, tmp_path):
    (tmp_path / "a file").write_bytes(DATA)
    transfer((tmp_path / "a file").as_uri(), part, label="data", progress=silent)
    assert part.read_bytes() == DATA
    with pytest.raises(SourceFailed, match="nothing"):
        transfer((tmp_path / "nothing").as_uri(), part, label="data", progress=silent)


@pytest.mark.parametrize("size", [None, 5])
def test_a_file_that_is_another_one_is_deleted(part, size):
    part.write_bytes(b"clay?")
    with pytest.raises(HashMismatch, match="deleted"):
        check(part, "0" * 64, size=size, source="a test")
    assert not part.exists()
