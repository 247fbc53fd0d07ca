"""The downloader against a loopback stand-in of both hubs."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from huggingface_hub.utils import close_session

from caption.cli.download import main
from caption.errors import Cancelled, CaptionError, ModelError, OptionsError
from caption.hub import download
from caption.hub import sources as hub
from caption.hub.checkpoint import check_folder
from caption.hub.download import download_model, plan, probe_hub
from caption.hub.find import staging_folder
from caption.hub.sources import DownloadError
from caption.hub.specs import BERT_UNCASED_VOCAB_SHA256, CAPTIONER, MATCHER, MODELS
from tests.support.hub import (
    FakeHub,
    git_sha1,
    matcher_files,
    model_files,
    safetensors,
    sha256,
    write_folder,
)
from tests.support.paths import ROOT

FOLDER = MODELS["large"].folder
MODELSCOPE_1, MODELSCOPE_2, HUGGINGFACE = (
    (repo.source, repo.repo_id) for repo in MODELS["large"].repos
)
WEIGHTS = model_files()["model.safetensors"]
PART = "model.safetensors.incomplete"
# What the repositories hold besides: formats that must never be fetched.
UNWANTED = {
    "pytorch_model.bin": b"b" * 4096,
    "tf_model.h5": b"h" * 4096,
    "README.md": b"# card",
    "tokenizer.json": b"{}",
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    vocab = {"vocab.txt": sha256(model_files()["vocab.txt"])}
    for name, spec in MODELS.items():
        if spec.sha256:
            monkeypatch.setitem(MODELS, name, replace(spec, sha256=vocab))
    # The libraries' own waits and chunks, made short; the suite itself may run with Hugging Face
    # switched offline.
    monkeypatch.setattr("modelscope_hub._legacy_api.REPO_TREE_PAGE_MAX_ATTEMPTS", 1)
    monkeypatch.setattr("modelscope_hub._download.DOWNLOAD_RETRY_TIMES", 2)
    monkeypatch.setattr("modelscope_hub._download.DOWNLOAD_CHUNK_SIZE", 500)
    monkeypatch.setattr(
        "modelscope_hub._download_control._DownloadControl.sleep",
        lambda control, _: control.check(),
    )
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path_factory.getbasetemp() / "modelscope"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.setenv(name, "")
        monkeypatch.setenv(name.upper(), "")
    close_session()  # huggingface_hub keeps a client that knows the proxies of an earlier test


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Both hubs up, the model at ModelScope's first address and at Hugging Face."""
    server = FakeHub()
    server.repos[MODELSCOPE_1] = {**model_files(), **UNWANTED}
    server.repos[HUGGINGFACE] = {**model_files(), **UNWANTED}
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    yield server
    server.close()


def _is_good(folder: Path) -> bool:
    check_folder(folder, CAPTIONER)
    return {path.name: path.read_bytes() for path in folder.iterdir()} == model_files()


def _leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.endswith(".lock"))


# ---------------------------------------------------------------------------------------------- whole


@pytest.mark.slow
@pytest.mark.parametrize("source", ["auto", "modelscope", "huggingface"])
@pytest.mark.parametrize("redirects", [False, True])
def test_whole(fake: FakeHub, tmp_path: Path, source: str, redirects: bool) -> None:
    fake.redirects = redirects
    seen: list[tuple[int, int]] = []
    folder = download_model(
        "large",
        source=source,
        dest=tmp_path,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert folder == tmp_path / FOLDER
    assert _is_good(folder)
    assert _leftovers(tmp_path) == [FOLDER]
    total = sum(map(len, model_files().values()))
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 10  # every chunk is told
    # Only what is needed was fetched, from one hub, and nothing else asked.
    assert {asked.kind for asked in fake.asked} == {"list", "file"}
    assert {asked.name for asked in fake.files_asked()} == set(model_files())
    assert {asked.source for asked in fake.asked} == {
        "huggingface" if source == "huggingface" else "modelscope"
    }


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_proxy_does_not_stand_between_us_and_this_machine(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.com")
    assert _is_good(download_model("large", source=source, dest=tmp_path))
    assert os.environ["NO_PROXY"] == "example.com,localhost,127.0.0.1,::1"


@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_requests_for_elsewhere_go_through_the_proxy(
    fake: FakeHub, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """The stand-in plays the proxy: it sees the whole address of a host that doesn't exist."""
    monkeypatch.setenv("http_proxy", fake.url)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://hub.invalid/ms")
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid/hf")
    assert plan("large", source=source).repo.source == source
    assert [asked.kind for asked in fake.asked] == ["list"]


@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_socks_proxy_is_a_network_error(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://hub.invalid/ms")
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid/hf")
    with pytest.raises(DownloadError) as caught:
        plan("large", source=source)
    assert caught.value.reason == "network"


def test_one_already_there_is_left_alone(fake: FakeHub, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / FOLDER, {**model_files(), "notes.txt": b"mine"})
    assert download_model("large", dest=tmp_path) == folder
    assert fake.asked == []
    assert (folder / "notes.txt").read_bytes() == b"mine"


def test_a_damaged_one_is_replaced_when_the_new_one_is_whole(fake: FakeHub, tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / FOLDER, {**model_files(), "config.json": b"{", "pytorch_model.bin": b"old"}
    )
    fake.cut = {"model.safetensors": [0] * 30}
    with pytest.raises(DownloadError):
        download_model("large", dest=tmp_path)
    assert (folder / "config.json").read_bytes() == b"{"
    fake.cut = {}
    assert _is_good(download_model("large", dest=tmp_path))
    assert _leftovers(tmp_path) == [FOLDER]


def test_a_failed_rename_puts_the_old_folder_back(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / FOLDER, {"config.json": b"{"})
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == staging_folder(folder):
            raise PermissionError(errno.EACCES, "in use")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(DownloadError) as caught:
        download_model("large", dest=tmp_path)
    assert caught.value.reason == "unwritable"
    assert (folder / "config.json").read_bytes() == b"{"


# ---------------------------------------------------------------------------------------------- cut off, resumed


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_transfer_that_breaks_off_goes_on_where_it_was(
    fake: FakeHub, tmp_path: Path, source: str
) -> None:
    fake.cut = {"model.safetensors": [5000, 500, 1000]}
    assert _is_good(download_model("large", source=source, dest=tmp_path))
    asked = [
        (request.start, request.sent_bytes)
        for request in fake.files_asked()
        if request.name == "model.safetensors"
    ]
    assert asked == [(0, 5000), (5000, 500), (5500, 1000), (6500, len(WEIGHTS) - 6500)]


def test_it_goes_on_for_as_long_as_something_new_comes(fake: FakeHub, tmp_path: Path) -> None:
    """More breaks than the library forgives in one call."""
    fake.cut = {"model.safetensors": [500] * 12}
    assert _is_good(download_model("large", source="modelscope", dest=tmp_path))
    starts = [
        request.start for request in fake.files_asked() if request.name == "model.safetensors"
    ]
    assert starts == list(range(0, 6001, 500))


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again(fake: FakeHub, tmp_path: Path, status: int) -> None:
    fake.refuse = {"model.safetensors": [status, status]}
    assert _is_good(download_model("large", source="modelscope", dest=tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_the_next_run_resumes_and_asks_only_for_the_rest(
    fake: FakeHub, tmp_path: Path, source: str
) -> None:
    fake.cut = {"model.safetensors": [5000, *[0] * 12]}
    with pytest.raises(DownloadError) as caught:
        download_model("large", source=source, dest=tmp_path)
    assert caught.value.reason == "network"
    assert not (tmp_path / FOLDER).exists()
    total = sum(map(len, model_files().values()))
    staged = plan("large", source=source, dest=tmp_path).staged_bytes
    # the last small file may have had no turn
    assert total - (len(WEIGHTS) - 5000) - 100 < staged < total
    fake.cut = {}
    fake.asked.clear()
    seen: list[int] = []
    folder = download_model(
        "large", source=source, dest=tmp_path, on_progress=lambda done, _: seen.append(done)
    )
    assert _is_good(folder)
    assert (seen[0], seen[-1]) == (staged, total)
    assert ("model.safetensors", 5000) in [
        (request.name, request.start) for request in fake.files_asked()
    ]
    assert sum(request.sent_bytes for request in fake.files_asked()) == total - staged


def test_the_other_hub_resumes_the_same_content(fake: FakeHub, tmp_path: Path) -> None:
    # two calls of one try and two more, then Hugging Face
    fake.cut = {"model.safetensors": [5000, *[0] * 5]}
    assert _is_good(download_model("large", dest=tmp_path))
    last = [request for request in fake.files_asked() if request.name == "model.safetensors"][-1]
    assert (last.source, last.start) == ("huggingface", 5000)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_server_without_range_starts_again(fake: FakeHub, tmp_path: Path, source: str) -> None:
    fake.ignores_range = True
    fake.cut = {"model.safetensors": [5000]}
    assert _is_good(download_model("large", source=source, dest=tmp_path))


@pytest.mark.slow
def test_a_killed_run_is_resumed(fake: FakeHub, tmp_path: Path) -> None:
    """SIGKILL in mid-transfer: the lock goes with the process, the bytes stay."""
    files = {
        **model_files(),
        "model.safetensors": safetensors({"w": ("F32", [1024, 64], bytes(262_144))}),
    }
    weights = files["model.safetensors"]
    fake.repos[MODELSCOPE_1] = files
    held = fake.hold[MODELSCOPE_1[1], "model.safetensors"] = threading.Event()
    code = (
        "import sys; from dataclasses import replace; from pathlib import Path; from caption.hub import download, specs;"
        f"spec = replace(specs.MODELS['large'], sha256={dict(MODELS['large'].sha256)!r});"
        "specs.MODELS['large'] = spec;"
        "download.download_model('large', source='modelscope', dest=Path(sys.argv[1]))"
    )
    part = staging_folder(tmp_path / FOLDER) / PART
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    try:
        _until(lambda: part.is_file() and part.stat().st_size > 0, 120)
    finally:
        child.kill()
        child.wait()
    held.set()
    have = part.stat().st_size
    assert 0 < have < len(weights)
    fake.asked.clear()
    folder = download_model("large", source="modelscope", dest=tmp_path)
    assert (folder / "model.safetensors").read_bytes() == weights
    assert [(request.name, request.start) for request in fake.files_asked()] == [
        ("model.safetensors", have)
    ]


def _until(true: Any, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_run_that_ended_before_the_last_rename_fetches_nothing(
    fake: FakeHub, tmp_path: Path, source: str
) -> None:
    write_folder(staging_folder(tmp_path / FOLDER), model_files())
    assert _is_good(download_model("large", source=source, dest=tmp_path))
    assert fake.files_asked() == []


@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_staged_file_of_another_revision_is_replaced(
    fake: FakeHub, tmp_path: Path, source: str
) -> None:
    write_folder(
        staging_folder(tmp_path / FOLDER),
        {**model_files(), "model.safetensors": WEIGHTS[:-1] + b"x"},
    )
    assert _is_good(download_model("large", source=source, dest=tmp_path))
    assert {request.name for request in fake.files_asked()} == {"model.safetensors"}


def test_what_another_revision_left_is_cleared_away(fake: FakeHub, tmp_path: Path) -> None:
    staging = write_folder(
        staging_folder(tmp_path / FOLDER), {"pytorch_model.bin.incomplete": b"x" * 99}
    )
    (staging / "sub").mkdir()
    assert _is_good(download_model("large", dest=tmp_path))


# ---------------------------------------------------------------------------------------------- corrupt


@pytest.mark.slow
@pytest.mark.parametrize("source", ["auto", "modelscope", "huggingface"])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_wrong_hash_is_refused_and_the_destination_untouched(
    fake: FakeHub, tmp_path: Path, source: str, name: str
) -> None:
    folder = write_folder(tmp_path / FOLDER, {"config.json": b"{"})
    fake.listed_sha256 = {name: "ab" * 32}
    with pytest.raises(DownloadError, match=name) as caught:
        download_model("large", source=source, dest=tmp_path)
    assert (caught.value.code, caught.value.reason) == ("download_failed", "corrupt")
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    # The bad bytes are gone: a later run doesn't build on them.
    assert not [path for path in staging_folder(folder).iterdir() if path.name.startswith(name)]


def test_a_hash_known_beforehand_goes_before_the_hubs(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "large", replace(MODELS["large"], sha256={"vocab.txt": "cd" * 32}))
    with pytest.raises(DownloadError, match=r"vocab\.txt") as caught:
        download_model("large", dest=tmp_path)
    assert caught.value.reason == "corrupt"


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_corrupt_part_is_fetched_again_from_its_start(
    fake: FakeHub, tmp_path: Path, source: str
) -> None:
    write_folder(staging_folder(tmp_path / FOLDER), {PART: b"garbage" * 100})
    assert _is_good(download_model("large", source=source, dest=tmp_path))
    assert [
        request.start for request in fake.files_asked() if request.name == "model.safetensors"
    ] == [700, 0]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
@pytest.mark.parametrize("size", [len(WEIGHTS), len(WEIGHTS) + 1])
def test_a_part_as_long_or_longer_is_proven_too(
    fake: FakeHub, tmp_path: Path, source: str, size: int
) -> None:
    write_folder(staging_folder(tmp_path / FOLDER), {PART: bytes(size)})
    assert _is_good(download_model("large", source=source, dest=tmp_path))


@pytest.mark.slow
def test_a_whole_transfer_of_a_broken_model_is_refused(fake: FakeHub, tmp_path: Path) -> None:
    """Sizes and hashes agree, the content is none of a model."""
    for repo in (MODELSCOPE_1, HUGGINGFACE):
        fake.repos[repo] = {**model_files(), "model.safetensors": b"<html>sign in</html>"}
    with pytest.raises(DownloadError, match=r"model\.safetensors") as caught:
        download_model("large", dest=tmp_path)
    assert caught.value.reason == "corrupt"
    assert _leftovers(tmp_path) == []


@pytest.mark.slow
def test_a_corrupt_hub_is_left_for_the_next(fake: FakeHub, tmp_path: Path) -> None:
    fake.repos[MODELSCOPE_1] = {**model_files(), "config.json": b"{"}
    assert _is_good(download_model("large", dest=tmp_path))
    assert {request.source for request in fake.files_asked()} == {"modelscope", "huggingface"}


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
@pytest.mark.parametrize("extra", [-1, 1])
def test_longer_or_shorter_than_listed_is_corrupt(
    fake: FakeHub, tmp_path: Path, source: str, extra: int
) -> None:
    fake.listed_extra = {"model.safetensors": extra}
    with pytest.raises(DownloadError, match=r"model\.safetensors") as caught:
        download_model("large", source=source, dest=tmp_path)
    assert caught.value.reason == "corrupt"
    assert not (tmp_path / FOLDER).exists()


def test_hashes_are_read_from_both_listings(fake: FakeHub) -> None:
    listed = {file.name: file for file in hub.list_files(MODELS["large"].repos[2])}
    assert listed["model.safetensors"].sha256 == sha256(WEIGHTS)
    assert listed["config.json"].sha256 is None
    assert listed["config.json"].git_sha1 == git_sha1(model_files()["config.json"])
    listed = {file.name: file for file in hub.list_files(MODELS["large"].repos[0])}
    assert listed["config.json"].sha256 == sha256(model_files()["config.json"])


# ---------------------------------------------------------------------------------------------- what hubs lack


def test_the_second_address_is_tried_when_the_first_is_unknown(
    fake: FakeHub, tmp_path: Path
) -> None:
    fake.repos[MODELSCOPE_2] = fake.repos.pop(MODELSCOPE_1)
    assert _is_good(download_model("large", dest=tmp_path))
    assert [(request.kind, request.repo_id) for request in fake.asked][:2] == [
        ("list", MODELSCOPE_1[1]),
        ("list", MODELSCOPE_2[1]),
    ]
    assert {request.repo_id for request in fake.files_asked()} == {MODELSCOPE_2[1]}


def test_huggingface_steps_in_when_modelscope_is_down(fake: FakeHub, tmp_path: Path) -> None:
    fake.down = {"modelscope"}
    assert _is_good(download_model("large", dest=tmp_path))
    assert {request.source for request in fake.files_asked()} == {"huggingface"}


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_a_missing_file_is_named_before_anything_is_fetched(
    fake: FakeHub, tmp_path: Path, name: str
) -> None:
    for repo in (MODELSCOPE_1, HUGGINGFACE):
        del fake.repos[repo][name]
    with pytest.raises(DownloadError, match=name) as caught:
        download_model("large", dest=tmp_path)
    assert caught.value.reason == "not_found"
    assert fake.files_asked() == []


def test_an_optional_file_may_be_missing(fake: FakeHub, tmp_path: Path) -> None:
    del fake.repos[MODELSCOPE_1]["special_tokens_map.json"]
    folder = download_model("large", dest=tmp_path)
    check_folder(folder, CAPTIONER)
    assert not (folder / "special_tokens_map.json").exists()


def test_a_file_listed_but_not_served_moves_on_to_the_next_hub(
    fake: FakeHub, tmp_path: Path
) -> None:
    fake.refuse = {"vocab.txt": [404]}
    assert _is_good(download_model("large", dest=tmp_path))
    assert {request.source for request in fake.files_asked()} == {"modelscope", "huggingface"}


@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_sign_in_page_is_no_listing(fake: FakeHub, source: str) -> None:
    fake.signs_in = True
    with pytest.raises(DownloadError) as caught:
        plan("large", source=source)
    assert caught.value.reason == "network"


@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
@pytest.mark.parametrize("endpoint", ["http://[broken", "hub.invalid", "ftp://hub.invalid"])
def test_a_malformed_endpoint_is_a_network_error(
    monkeypatch: pytest.MonkeyPatch, source: str, endpoint: str
) -> None:
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", endpoint)
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(DownloadError) as caught:
        plan("large", source=source)
    assert caught.value.reason == "network"


# ---------------------------------------------------------------------------------------------- without a network


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses where nothing listens."""
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("extra", [[], ["--dry-run"], ["all"], ["base", "--source", "huggingface"]])
def test_without_a_network_it_says_so_and_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str]
) -> None:
    started = time.monotonic()
    assert main([*extra, "--dest", str(tmp_path)]) == 3
    assert time.monotonic() - started < 10
    assert "连不上模型站点" in capsys.readouterr().err
    assert _leftovers(tmp_path) == []


@pytest.mark.slow
def test_hubs_that_hang_are_given_up(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.hung = {"modelscope", "huggingface"}
    monkeypatch.setattr(download, "LISTING_TIMEOUT_S", 0.3)
    started = time.monotonic()
    assert main(["--dest", str(tmp_path)]) == 3
    assert time.monotonic() - started < 10


def test_the_limits_add_up_to_less_than_a_minute() -> None:
    assert len(hub.SOURCES) * download.LISTING_TIMEOUT_S < 50


@pytest.mark.usefixtures("nobody")
def test_probe_without_a_network() -> None:
    assert probe_hub() is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("down", "hung", "expected"),
    [
        (set(), set(), "modelscope"),
        ({"modelscope"}, set(), "huggingface"),
        (set(), {"huggingface"}, "modelscope"),
        (set(), {"modelscope"}, "huggingface"),
        (set(), {"modelscope", "huggingface"}, None),
    ],
)
def test_probe_tells_who_answers_within_its_time(
    fake: FakeHub, down: set[str], hung: set[str], expected: str | None
) -> None:
    fake.down, fake.hung = down, hung
    started = time.monotonic()
    assert probe_hub(timeout_s=1.0) == expected
    assert time.monotonic() - started < 1.0 + 2.0  # the rest is for a busy machine


def test_probe_wants_the_whole_model(fake: FakeHub) -> None:
    del fake.repos[MODELSCOPE_1]["vocab.txt"]
    assert probe_hub() == "huggingface"
    del fake.repos[HUGGINGFACE]
    assert probe_hub() is None


# ---------------------------------------------------------------------------------------------- the disk


def test_free_space_is_checked_before_anything_is_fetched(
    fake: FakeHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    total = sum(map(len, model_files().values()))
    usage = shutil.disk_usage(tmp_path)
    free = total + download.SPARE_BYTES - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    with pytest.raises(CaptionError) as caught:
        download_model("large", dest=tmp_path)
    assert caught.value.code == "disk_full"
    assert caught.value.details == {
        "needed_bytes": total + download.SPARE_BYTES,
        "free_bytes": free,
    }
    assert fake.files_asked() == []
    assert main(["--dest", str(tmp_path)]) == 4
    assert "磁盘空间不足" in capsys.readouterr().err


def test_what_is_staged_already_needs_no_space(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(staging_folder(tmp_path / FOLDER), {PART: WEIGHTS[:5000]})
    usage = shutil.disk_usage(tmp_path)
    free = sum(map(len, model_files().values())) - 5000 + download.SPARE_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    assert _is_good(download_model("large", dest=tmp_path))


class _FullDisk:
    """A file that takes `room` bytes more and then raises `number`: ENOSPC, or EDQUOT for a quota."""

    def __init__(self, file: IO[bytes], room: int, number: int) -> None:
        self._file, self._room, self._number = file, room, number

    def __enter__(self) -> _FullDisk:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(self._number, os.strerror(self._number))
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_in_mid_way(
    fake: FakeHub, tmp_path: Path, source: str, number: int
) -> None:
    def small_disk(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = open(path, mode, *args, **kwargs)  # noqa: SIM115
        return (
            _FullDisk(file, 5000 - file.tell(), number)
            if path.name == PART and mode in ("ab", "wb")
            else file
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", small_disk)  # caption.hub.sources's way
        patch.setattr("modelscope_hub._download.open", small_disk, raising=False)
        assert main(["--source", source, "--dest", str(tmp_path)]) == 4
    assert not (tmp_path / FOLDER).exists()
    assert plan("large", dest=tmp_path).staged_bytes > 5000
    fake.asked.clear()
    assert _is_good(download_model("large", source=source, dest=tmp_path))
    assert [
        request.start for request in fake.files_asked() if request.name == "model.safetensors"
    ] == [5000]


def test_a_place_that_cannot_be_written(
    fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert main(["--dest", str(tmp_path / "file" / "below")]) == 7
    assert "不能写入" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- two at once, stop


@pytest.mark.slow
def test_two_at_once_are_kept_apart(
    fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = fake.hold[MODELSCOPE_1[1], "model.safetensors"] = threading.Event()
    fake.repos["modelscope", MODELS["base"].repos[0].repo_id] = model_files()
    first: list[Path] = []
    thread = threading.Thread(target=lambda: first.append(download_model("large", dest=tmp_path)))
    thread.start()
    try:
        _until(lambda: any(request.name == "model.safetensors" for request in fake.files_asked()))
        with pytest.raises(DownloadError) as caught:
            download_model("large", dest=tmp_path)
        assert caught.value.reason == "locked"
        assert main(["--dest", str(tmp_path)]) == 6
        assert "另一个进程" in capsys.readouterr().err
        assert _is_good(download_model("base", dest=tmp_path))  # another model isn't in the way
    finally:
        held.set()
        thread.join(30)
    assert _is_good(first[0])
    assert download_model("large", dest=tmp_path) == first[0]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_stop_keeps_what_was_fetched(fake: FakeHub, tmp_path: Path, source: str) -> None:
    chunks = 0

    def stop() -> bool:
        nonlocal chunks
        chunks += any(request.name == "model.safetensors" for request in fake.files_asked())
        return chunks > 5

    with pytest.raises(Cancelled) as caught:
        download_model("large", source=source, dest=tmp_path, stop=stop)
    assert caught.value.code == "cancelled"
    assert chunks == 6  # asked at every chunk, and not once more
    assert not (tmp_path / FOLDER).exists()
    have = (staging_folder(tmp_path / FOLDER) / PART).stat().st_size
    assert 2000 <= have <= 3000
    fake.asked.clear()
    assert _is_good(download_model("large", source=source, dest=tmp_path))
    assert [
        request.start for request in fake.files_asked() if request.name == "model.safetensors"
    ] == [have]


def test_stop_while_a_hub_hangs(fake: FakeHub, tmp_path: Path) -> None:
    fake.hung = {"modelscope", "huggingface"}
    started = time.monotonic()
    with pytest.raises(Cancelled):
        download_model("large", dest=tmp_path, stop=lambda: time.monotonic() - started > 0.2)
    assert time.monotonic() - started < 10


# ---------------------------------------------------------------------------------------------- matchers


@pytest.mark.slow
@pytest.mark.parametrize("name", ["itm-large", "itm-base"])
@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_a_matcher_comes_the_same_way(
    fake: FakeHub, tmp_path: Path, name: str, source: str
) -> None:
    spec = MODELS[name]
    repo = next(repo for repo in spec.repos if repo.source == source)
    fake.revision = spec.repos[-1].revision  # on Hugging Face a commit
    fake.repos[repo.source, repo.repo_id] = {**matcher_files(), **UNWANTED}
    folder = download_model(name, source=source, dest=tmp_path)
    assert folder == tmp_path / spec.folder
    check_folder(folder, MATCHER)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == matcher_files()
    fake.asked.clear()
    assert download_model(name, source=source, dest=tmp_path) == folder  # whole as a matcher
    assert fake.asked == []


def test_a_captioner_in_a_matchers_place_is_refused(fake: FakeHub, tmp_path: Path) -> None:
    fake.repos["modelscope", MODELS["itm-base"].repos[0].repo_id] = model_files()
    with pytest.raises(DownloadError, match="BlipForConditionalGeneration") as caught:
        download_model("itm-base", source="modelscope", dest=tmp_path)
    assert caught.value.reason == "corrupt"
    assert _leftovers(tmp_path) == []


def test_a_hub_without_safetensors_is_told_and_the_next_one_asked(
    fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = MODELS["itm-large"]
    files = {**matcher_files(), **UNWANTED}
    del files["model.safetensors"]
    fake.repos[spec.repos[0].source, spec.repos[0].repo_id] = files
    assert main(["itm-large", "--source", "modelscope", "--dest", str(tmp_path)]) == 5
    output = capsys.readouterr().err
    assert "缺少必需的文件" in output
    assert (
        f"{spec.repos[0].repo_id} lacks model.safetensors (it has pytorch_model.bin, tf_model.h5"
        in output
    )
    assert fake.files_asked() == []
    fake.revision = spec.repos[-1].revision
    fake.repos[spec.repos[-1].source, spec.repos[-1].repo_id] = matcher_files()
    assert main(["itm-large", "--dest", str(tmp_path)]) == 0
    assert {request.source for request in fake.files_asked()} == {"huggingface"}


def test_dry_run_of_a_matcher(
    fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.repos["modelscope", MODELS["itm-base"].repos[0].repo_id] = matcher_files()
    assert main(["itm-base", "--dry-run", "--dest", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    assert "BLIP-ITM-base" in out
    assert "model.safetensors" in out
    assert fake.files_asked() == []
    assert not (tmp_path / "new").exists()


# ---------------------------------------------------------------------------------------------- names, command line


def test_names_and_sources_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="large, base, demo"):
        download_model("huge", dest=tmp_path)
    for name in ("demo", "demo-itm"):
        with pytest.raises(OptionsError, match="bundled"):
            download_model(name, dest=tmp_path)
    with pytest.raises(OptionsError, match="source"):
        download_model("large", source="elsewhere", dest=tmp_path)


def test_dry_run_lists_and_writes_nothing(
    fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["large", "--dry-run", "--dest", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    for name, data in model_files().items():
        assert f"{name}  {len(data):,} 字节" in out
    assert not any(name in out for name in UNWANTED)
    assert MODELSCOPE_1[1] in out
    assert fake.files_asked() == []
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_all_fetches_both_captioners_and_says_where(
    fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.repos["modelscope", MODELS["base"].repos[0].repo_id] = model_files()
    assert main(["all", "--dest", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "BLIP-large 已就绪" in captured.out
    assert "BLIP-base 已就绪" in captured.out
    assert _leftovers(tmp_path) == sorted(MODELS[name].folder for name in ("large", "base"))
    assert "100%" in captured.err  # the progress bar
    fake.asked.clear()
    assert main(["all", "--dest", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("已经在这里") == 2
    assert fake.asked == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepare", "exit_code", "words"),
    [
        ("corrupt", 5, "校验值不符"),
        ("missing", 5, "缺少必需的文件"),
    ],
)
def test_each_ending_has_its_exit_code_and_words(
    fake: FakeHub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    prepare: str,
    exit_code: int,
    words: str,
) -> None:
    if prepare == "corrupt":
        fake.listed_sha256 = {"model.safetensors": "ab" * 32}
    else:
        fake.repos.clear()
    assert main(["--dest", str(tmp_path)]) == exit_code
    captured = capsys.readouterr()
    last = captured.err.splitlines()[-1]  # progress bars stand before it
    assert words in last
    assert last.endswith("）"), "the cause stands in the same line"
    assert captured.out == ""


def test_control_c_is_told(
    fake: FakeHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_fetch", interrupted)
    assert main(["--dest", str(tmp_path)]) == 130
    assert "已停止" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["demo"], ["demo-itm"], ["--source", "ftp"], ["large", "base"], ["--what"]]
)
def test_wrong_arguments_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_the_script_runs_from_anywhere(fake: FakeHub, tmp_path: Path) -> None:
    fake.listed_sha256 = {"vocab.txt": BERT_UNCASED_VOCAB_SHA256}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [
            "bash",
            str(ROOT / "scripts" / "download_models.sh"),
            "large",
            "--dry-run",
            "--dest",
            "here",
        ],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"→ {Path('here') / FOLDER}" in done.stdout
