"""Downloads from a server that is late, breaks off, fails, lies or never ends."""

import gzip
import hashlib
import io
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import latentia.data as data
from latentia.data.catalogue import CATALOGUE, Entry, File
from latentia.data.named import cache_root
from latentia.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 16, 16), np.uint8)
FAST = {"timeout": 0.3, "attempts": 3, "backoff": 0.01}


def _content():
    sink = io.BytesIO()
    np.savez(sink, images=IMAGES)
    return sink.getvalue()


CONTENT = _content()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *script):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.asked = list(script), []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/mirror"

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        act = self.server.script.pop(0) if self.server.script else "ok"
        if isinstance(act, int):
            return self.send_error(act)
        if act == "late":
            time.sleep(0.6)
        body = {"wrong": bytes(len(CONTENT)), "short": CONTENT[:-1]}.get(act, CONTENT)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)  # as servers may, for those who say that they can unpack
        self.send_response(200)
        if act == "labelled":
            self.send_header("Content-Encoding", "gzip")
        if act != "endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(act, body)

    def _send(self, act, body):
        if act == "breaks":
            self.wfile.write(body[: len(body) // 2])
            return
        if act == "stalls":
            self.wfile.write(body[: len(body) // 2])
            time.sleep(0.6)
            return
        self.wfile.write(body)
        while act == "endless":
            self.wfile.write(bytes(2**16))


@contextmanager
def _serve(*script):
    server = _Server(*script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, no_folder):
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = File("tiny/tiny.npz", len(CONTENT), digest)
    entry = Entry("Tiny", "images", {"train": 20}, 256, "", "", "here", files=(file,), image_shape=(16, 16))
    monkeypatch.setitem(CATALOGUE, "tiny", entry)


def _left():
    return [str(p.relative_to(cache_root())) for p in cache_root().rglob("*") if p.is_file()]


GOOD = [(), ("late",), ("breaks",), ("stalls",), (500, 500), (503, "breaks"), ("wrong",), ("endless",), (429,)]


@pytest.mark.parametrize("script", GOOD, ids=str)
def test_it_is_tried_again_until_it_is_whole(script):
    with _serve(*script) as server:
        folder = data.fetch("tiny", base_url=server.url + "/", **FAST)
    assert (folder / "tiny.npz").read_bytes() == CONTENT
    assert _left() == ["tiny/tiny.npz"]
    assert server.asked == ["/mirror/tiny/tiny.npz"] * (len(script) + 1)


def test_bytes_labelled_as_packed_are_kept_as_they_are():
    with _serve("labelled") as server:
        folder = data.fetch("tiny", base_url=server.url, timeout=5, attempts=1)
    assert (folder / "tiny.npz").read_bytes() == CONTENT


BAD = [
    (["late"] * 3, 3, "could not be fetched"),
    (["breaks"] * 3, 3, "could not be fetched"),
    ([500] * 3, 3, "could not be fetched: 500"),
    ([404], 1, "could not be fetched: 404"),
    (["wrong"] * 3, 3, "does not hold the expected file"),
    (["short"] * 3, 3, "does not hold the expected file"),
    (["endless"] * 3, 3, "does not hold the expected file"),
]


@pytest.mark.parametrize(("script", "asked", "words"), BAD, ids=lambda v: str(v)[:20])
def test_what_does_not_come_leaves_nothing_behind(script, asked, words):
    with _serve(*script) as server, pytest.raises(DataError, match=words) as caught:
        data.fetch("tiny", base_url=server.url, **FAST)
    assert "LATENTIA_MIRROR" in str(caught.value)
    assert _left() == []
    assert len(server.asked) == asked


def test_it_is_fetched_once_and_then_read_from_the_cache(monkeypatch):
    with _serve() as server:
        monkeypatch.setenv("LATENTIA_MIRROR", server.url)
        assert data.describe("tiny")["found"] == "would be downloaded"
        for _ in range(2):
            np.testing.assert_array_equal(data.load("tiny").x, IMAGES.reshape(20, 256))
    assert len(server.asked) == 1
    assert data.load("tiny").name == "tiny"  # the server is gone


def test_a_short_file_in_the_cache_is_fetched_again():
    path = cache_root() / "tiny" / "tiny.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:10])
    with _serve() as server:
        data.fetch("tiny", base_url=server.url, **FAST)
    assert path.read_bytes() == CONTENT


def test_nobody_there():
    with _serve() as server:
        url = server.url
    with pytest.raises(DataError, match="could not be fetched"):
        data.fetch("tiny", base_url=url, **FAST)


def test_a_cache_that_is_in_the_way():
    cache_root().parent.mkdir(parents=True, exist_ok=True)
    cache_root().write_text("a file")
    with _serve() as server, pytest.raises(DataError, match="cannot be written"):
        data.fetch("tiny", base_url=server.url, **FAST)


def test_waits_double(monkeypatch):
    waits = []
    monkeypatch.setattr("latentia.data.download.time.sleep", waits.append)
    with _serve(500, 500, 500) as server:
        data.fetch("tiny", base_url=server.url, timeout=5, attempts=4, backoff=1.0)
    assert waits == [1.0, 2.0, 4.0]


def test_public_addresses(monkeypatch):
    asked = []
    monkeypatch.setattr("latentia.data.download.download", lambda file, url, folder, **_: asked.append(url))
    data.fetch("mnist")
    assert asked[0] == "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz"
    data.fetch("mnist", base_url="https://example.org/d")
    assert asked[4] == "https://example.org/d/mnist/train-images-idx3-ubyte.gz"
