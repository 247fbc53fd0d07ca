"""A loopback stand-in of ModelScope and Hugging Face, and a tiny model folder to serve.

It answers what modelscope 1.40 and huggingface_hub 2.4 ask when `caption.hub.sources` uses them;
faults are switched on by attributes.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"

CONFIG: dict[str, Any] = {
    "architectures": ["BlipForConditionalGeneration"],
    "model_type": "blip",
    "text_config": {
        "vocab_size": 16,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "bos_token_id": 14,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "sep_token_id": 3,
    },
    "vision_config": {
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    },
}
PREPROCESSOR: dict[str, Any] = {
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
    "size": {"height": 32, "width": 32},
}
VOCAB = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ndog\n##s\n"


def safetensors(tensors: Mapping[str, tuple[str, list[int], bytes]]) -> bytes:
    """A file of (dtype, shape, data) by name, laid out without gaps."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def model_files() -> dict[str, bytes]:
    """A folder that `check_folder` accepts, some kilobytes of it weights."""
    weights = bytes(range(256)) * 32
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "preprocessor_config.json": json.dumps(PREPROCESSOR).encode(),
        "tokenizer_config.json": b'{"tokenizer_class": "BertTokenizer"}',
        "special_tokens_map.json": b'{"sep_token": "[SEP]"}',
        "vocab.txt": VOCAB.encode(),
        "model.safetensors": safetensors(
            {
                "w": ("F32", [64, 32], weights),
                "ids": ("I64", [1, 2], bytes(16)),
                "h": ("F16", [2], bytes(4)),
            }
        ),
    }


def matcher_files() -> dict[str, bytes]:
    """`model_files` whose settings name a matching model."""
    config = {**CONFIG, "architectures": ["BlipForImageTextRetrieval"]}
    return {**model_files(), "config.json": json.dumps(config).encode()}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class Asked:
    """A request: `kind` is "list", "file" or "other"."""

    kind: str
    source: str
    repo_id: str
    name: str = ""
    start: int = 0
    sent_bytes: int = 0


class FakeHub:
    """Serve `repos[source, repo_id] = files` until closed.

    `down`: sources that answer 503. `cut`: by file name, after how many bytes the next transfers
    break off. `refuse`: by file name, the HTTP status of the next answers. `listed_sha256`: a hash
    that the listing tells instead of the true one; `listed_extra`: bytes that the listing adds to
    the true size. `signs_in`: every listing is a web page.
    `ignores_range`: whole files whatever is asked.
    `redirects`: files are served from another path by a 308. `hold[repo_id, file]`: transfers wait
    for it before their last byte.
    `revision`: the one that Hugging Face's repositories have.
    `hung`: sources that accept a request and never answer (until the hub closes).
    """

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], dict[str, bytes]] = {}
        self.asked: list[Asked] = []
        self.down: set[str] = set()
        self.hung: set[str] = set()
        self.cut: dict[str, list[int]] = {}
        self.refuse: dict[str, list[int]] = {}
        self.listed_sha256: dict[str, str] = {}
        self.listed_extra: dict[str, int] = {}
        self.signs_in = False
        self.ignores_range = False
        self.redirects = False
        self.revision = "main"
        self.hold: dict[tuple[str, str], threading.Event] = {}
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def environment(self) -> dict[str, str]:
        """Two addresses, so that the hubs can be told apart by what is asked of each."""
        return {"MODELSCOPE_ENDPOINT": f"{self.url}/ms", "HF_ENDPOINT": f"{self.url}/hf"}

    def files_asked(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.kind == "file"]

    def close(self) -> None:
        self.closing.set()
        for held in self.hold.values():
            held.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        if path.startswith("/cdn"):
            path = path.removeprefix("/cdn")
        elif self.hub.redirects and ("/resolve/" in path or path.endswith("/repo")):
            return self._answer(308, b"", {"Location": f"{self.hub.url}/cdn{self.path}"})
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        source = "modelscope" if path.startswith("/ms/") else "huggingface"
        if source in self.hub.hung:
            self.hub.closing.wait(30)
            self.close_connection = True
            return None
        if source in self.hub.down:
            return self._answer(503, b"busy")
        parts = path.strip("/").split("/")[1:]
        if source == "modelscope":
            return self._modelscope(parts, query)
        return self._huggingface(parts)

    def _modelscope(self, parts: list[str], query: dict[str, str]) -> None:
        # /api/v1/models/{owner}/{name}/repo/files | /api/v1/models/{owner}/{name}/repo?FilePath=
        if len(parts) < 6 or parts[:3] != ["api", "v1", "models"]:
            return self._missing(Asked("other", "modelscope", "/".join(parts)))
        repo_id = "/".join(parts[3:5])
        files = self.hub.repos.get(("modelscope", repo_id))
        listing = parts[5:] == ["repo", "files"]
        name = query.get("FilePath", "")
        if (
            files is None
            or query.get("Revision") != "master"
            or (not listing and name not in files)
        ):
            return self._missing(Asked("list" if listing else "file", "modelscope", repo_id, name))
        if listing:
            entries = [{"Path": "onnx", "Type": "tree", "Size": 0, "Sha256": ""}] + [
                {
                    "Path": key,
                    "Name": key,
                    "Type": "blob",
                    "Size": self._size(key, data),
                    "Sha256": self._sha256(key, data),
                }
                for key, data in files.items()
            ]
            return self._listing(
                "modelscope", repo_id, {"Code": 200, "Success": True, "Data": {"Files": entries}}
            )
        return self._file("modelscope", repo_id, name, files[name])

    def _huggingface(self, parts: list[str]) -> None:
        # /api/models/{owner}/{name}/revision/{revision} | /{owner}/{name}/resolve/{revision}/{file}
        if parts[:2] == ["api", "models"]:
            repo_id = "/".join(parts[2:4])
            files = self.hub.repos.get(("huggingface", repo_id))
            if files is None or parts[4:] != ["revision", self.hub.revision]:
                return self._missing(Asked("list", "huggingface", repo_id), 401)
            siblings = [self._sibling(name, data) for name, data in files.items()]
            return self._listing(
                "huggingface", repo_id, {"id": repo_id, "sha": COMMIT, "siblings": siblings}
            )
        repo_id, name = "/".join(parts[:2]), "/".join(parts[4:])
        data = self.hub.repos.get(("huggingface", repo_id), {}).get(name)
        if parts[2:4] != ["resolve", self.hub.revision] or data is None:
            return self._missing(Asked("file", "huggingface", repo_id, name))
        return self._file("huggingface", repo_id, name, data)

    def _sibling(self, name: str, data: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "rfilename": name,
            "size": self._size(name, data),
            "blobId": git_sha1(data),
        }
        if name in self.hub.listed_sha256:
            entry["blobId"] = self.hub.listed_sha256[name][:40]
        if name.endswith((".safetensors", ".bin")):
            entry["lfs"] = {
                "sha256": self._sha256(name, data),
                "size": entry["size"],
                "pointerSize": 134,
            }
        return entry

    def _size(self, name: str, data: bytes) -> int:
        return len(data) + self.hub.listed_extra.get(name, 0)

    def _sha256(self, name: str, data: bytes) -> str:
        return self.hub.listed_sha256.get(name, sha256(data))

    def _listing(self, source: str, repo_id: str, value: object) -> None:
        self.hub.asked.append(Asked("list", source, repo_id))
        if self.hub.signs_in:
            return self._answer(
                200, b"<html>Welcome to our cafe</html>", {"Content-Type": "text/html"}
            )
        return self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, source: str, repo_id: str, name: str, data: bytes) -> None:
        if refusals := self.hub.refuse.get(name):
            return self._answer(refusals.pop(0), b"not now")
        start, headers = 0, {"Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range", "")
        if wanted and not self.hub.ignores_range:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), int(last) + 1 if last else len(data)
            if start >= len(data):
                self.hub.asked.append(Asked("file", source, repo_id, name, start))
                return self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            data = data[start:end]
        cuts = self.hub.cut.get(name)
        sent = min(cuts.pop(0), len(data)) if cuts else len(data)
        self.hub.asked.append(Asked("file", source, repo_id, name, start, sent))
        self.send_response(206 if "Content-Range" in headers else 200)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        held = self.hub.hold.get((repo_id, name))
        if held is not None and sent:
            self.wfile.write(data[: sent - 1])
            self.wfile.flush()
            held.wait(30)
            self.wfile.write(data[sent - 1 : sent])
        else:
            self.wfile.write(data[:sent])
        if sent < len(data):
            self.close_connection = True
        return None

    def _missing(self, asked: Asked, status: int = 404) -> None:
        self.hub.asked.append(asked)
        # ModelScope explains in JSON; Hugging Face names the fault in a header
        code = {"X-Error-Code": "RepoNotFound" if asked.kind == "list" else "EntryNotFound"}
        self._answer(
            status, b'{"Code": 10010205001, "Success": false, "Message": "not found"}', code
        )

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
