"""Qdrant's REST API over the client's own local mode: what travels is real, what answers is in memory.

There is no Qdrant server in a package; this one lets the client speak to one all the same, so that
what we send is seen to survive the wire.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models


class QdrantOverHttp:
    """A server for a ``with`` block; requests without its key are refused."""

    def __init__(self, api_key):
        self.api_key = api_key
        self.client = QdrantClient(":memory:")
        self.lock = threading.Lock()

    def __enter__(self):
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self.client.close()

    def check(self, key):
        if key != self.api_key:
            raise PermissionError("Must provide an API key")

    def answer(self, method, path, body):  # noqa: PLR0911 (a table of the API)
        parts = path.strip("/").split("/")
        name, rest = parts[1], "/".join(parts[2:])
        client = self.client
        match method, rest:
            case "GET", "exists":
                return {"exists": client.collection_exists(name)}
            case "GET", "":
                return client.get_collection(name)
            case "PUT", "":
                made = models.CreateCollection.model_validate(body)
                return client.create_collection(name, made.vectors)
            case "PATCH", "":
                return client.update_collection(name, metadata=body["metadata"])
            case "PUT", "points":
                return client.upsert(name, models.PointsList.model_validate(body).points)
            case "POST", "points":
                return client.retrieve(name, body["ids"], with_payload=True, with_vectors=True)
            case "POST", "points/query":
                asked = models.QueryRequest.model_validate(body)
                return client.query_points(
                    name, asked.query, query_filter=asked.filter, limit=asked.limit, with_vectors=True
                )
            case "POST", "points/scroll":
                asked = models.ScrollRequest.model_validate(body)
                points, after = client.scroll(
                    name, limit=asked.limit, offset=asked.offset, with_payload=True, with_vectors=True
                )
                return models.ScrollResult(points=points, next_page_offset=after)
            case "POST", "points/count":
                return client.count(name)
            case "POST", "points/delete" if "points" in body:
                return client.delete(name, models.PointIdsList.model_validate(body))
            case "POST", "points/delete":
                return client.delete(name, models.FilterSelector.model_validate(body))
        raise LookupError(f"{method} {path}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        try:
            self.server_of.check(self.headers.get("api-key"))
            with self.server_of.lock:
                result = self.server_of.answer(self.command, urlsplit(self.path).path, body)
            status, answer = 200, {"result": _plain(result), "status": "ok", "time": 0.0}
        except (LookupError, PermissionError, ValueError) as error:
            status, answer = 400, {"status": {"error": str(error)}, "time": 0.0}
        sent = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(sent)

    do_PUT = do_POST = do_PATCH = do_GET  # noqa: N815 (the standard library's names)

    def log_message(self, *_):
        """Nothing on stderr."""


def _plain(result):
    if isinstance(result, list):
        return [_plain(one) for one in result]
    return result.model_dump(mode="json") if hasattr(result, "model_dump") else result
