"""The driver proxy: what it passes on, what it refuses, and that streams stay streams."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from quick_workspace import plain, quick_workspace


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    more = threading.Event()

    def do_POST(self):
        said = self.rfile.read(int(self.headers["Content-Length"]))
        told = f"{self.command} {self.path} {self.headers.get('Authorization')} {self.headers.get('X-Mine')} ".encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(told + said)))
        self.send_header("X-Theirs", "yes")
        self.end_headers()
        self.wfile.write(told + said)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        self.wfile.flush()
        type(self).more.wait(10)
        self.wfile.write(b"6\r\nsecond\r\n0\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def app():
    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def local():
    with quick_workspace(delays={"cluster": 0.0}) as found:
        yield found


@pytest.fixture
def cluster(local):
    return local.workspace.clusters.make(
        {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1}, "me"
    )


@pytest.fixture
def at(local, cluster, app):
    local.workspace.driver_proxy.allow(app)
    return f"/driver-proxy-api/o/{local.workspace.org_id}/{cluster.id}/{app}"


def test_a_call_reaches_the_application_without_the_callers_token(local, at):
    with plain(local) as http:
        for front in (at, at.replace("driver-proxy-api", "driver-proxy")):
            answer = http.post(f"{front}/v1/x?a=1&b=%20", content=b"body", headers={"X-Mine": "mine"})
            assert (answer.status_code, answer.headers["x-theirs"]) == (201, "yes")
            assert answer.text == "POST /v1/x?a=1&b=%20 None mine body"
        assert http.post(at, content=b"").text == "POST / None None "
        assert http.post(f"{at}/a%2Fb%20c?d=%2F", content=b"").text == "POST /a%2Fb%20c?d=%2F None None "


def test_an_answer_in_pieces_arrives_in_pieces(local, at):
    App.more.clear()
    with plain(local) as http, http.stream("GET", f"{at}/stream") as answer:
        pieces = answer.iter_bytes()
        assert next(pieces) == b"first"
        App.more.set()
        assert b"".join(pieces) == b"second"


def test_another_organisation_or_cluster_or_port_is_refused(local, cluster, at, app):
    org = local.workspace.org_id
    with plain(local) as http:
        assert http.post(f"/driver-proxy-api/o/0/{cluster.id}/{app}/").status_code == 403
        assert http.post(f"/driver-proxy-api/o/{org}/0000-none/{app}/").status_code == 404
        assert http.post(f"/driver-proxy-api/o/{org}/{cluster.id}/22/").status_code == 400
        assert http.post(f"/driver-proxy-api/o/{org}/{cluster.id}/ssh/").status_code == 400
        assert http.post(at, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_cluster_that_does_not_run_is_not_reached_and_a_silent_port_is_named(local, cluster, at):
    local.workspace.driver_proxy.allow(1)
    with plain(local) as http:
        silent = http.post(at.rpartition("/")[0] + "/1/")
        assert (silent.status_code, "port 1" in silent.text) == (502, True)
        local.workspace.clusters.end(cluster)
        time.sleep(0.01)
        ended = http.post(at)
        assert (ended.status_code, "TERMINAT" in ended.json()["message"]) == (503, True)
