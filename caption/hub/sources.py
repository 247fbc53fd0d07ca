"""What ModelScope and Hugging Face list and serve, each through its own library.

`MODELSCOPE_ENDPOINT` and `HF_ENDPOINT` name mirrors; they are read at every call. Both libraries
are imported only when a hub is asked. No login is used: the models are public, and a mirror needn't
see anybody's token.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from caption.errors import Cancelled, CaptionError
from caption.hub.proxies import leave_out_this_machine
from caption.hub.specs import HubRepo

SOURCES = ("modelscope", "huggingface")  # in the order "auto" asks them
REPLY_TIMEOUT_S = 15.0  # for Hugging Face's listing; modelscope has the same limit of its own

Tick = Callable[[], None]


class DownloadError(CaptionError):
    """A download that can't go on. `reason`: network | not_found | corrupt | locked | unwritable."""

    default_code = "download_failed"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message, reason=reason)
        self.reason = reason


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it. `size` in bytes; hashes in lower-case hex, None where the hub has
    none.

    `git_sha1` is git's blob id: SHA-1 over a short header and the content.
    """

    name: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None

    @property
    def part_name(self) -> str:
        """The name until the file is whole: modelscope's, so that either hub goes on with what the
        other began.
        """
        return f"{self.name}.incomplete"


def list_files(repo: HubRepo) -> tuple[HubFile, ...]:
    """The files at `repo`. Raises `DownloadError` (network, or not_found when the hub says it has
    no such thing).
    """
    _settle_environment()
    return _list_modelscope(repo) if repo.source == "modelscope" else _list_huggingface(repo)


def fetch_files(repo: HubRepo, files: Sequence[HubFile], folder: Path, tick: Tick) -> None:
    """Every one of `files` into `folder`, proven by the hub's size and hash; what is there already
    is gone on with.

    `tick()` is called at every chunk; a `Cancelled` from it ends the transfer and keeps what has
    come. Raises `DownloadError` (network, not_found, corrupt) or the disk's `OSError`.
    """
    _settle_environment()
    fetch = _fetch_modelscope if repo.source == "modelscope" else _fetch_huggingface
    fetch(repo, files, folder, tick)


def _endpoint(source: str) -> str:
    if source == "modelscope":
        return os.environ.get("MODELSCOPE_ENDPOINT", "").strip() or "https://modelscope.cn"
    return os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or "https://huggingface.co"


def _settle_environment() -> None:
    """No proxy for this machine itself, and nothing asked of a hub but the listing and the files."""
    leave_out_this_machine(os.environ)
    # asks in which data centre we are
    os.environ.setdefault("MODELSCOPE_DOWNLOAD_INTRA_CLOUD", "false")
    # `caption.hub.download` holds a lock of its own, beside the model; modelscope's lies in the
    # user's home.
    os.environ.setdefault("MODELSCOPE_DOWNLOAD_FILE_LOCK", "false")


@contextmanager
def _as_download_errors(address: str, *kinds: type[Exception]) -> Iterator[None]:
    """A library's errors of these `kinds` as `DownloadError`; an `OSError` with a number is the
    disk's and passes.
    """
    try:
        yield
    except kinds as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise DownloadError(f"{address}: {error}", reason=_reason(error)) from error


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", getattr(error, "status_code", None))
    if status in (401, 403, 404):  # Hugging Face answers 401 for a repository that isn't there
        return "not_found"
    if status == 416:
        return "corrupt"
    return "network"


# Something else than a listing: a network's sign-in page, a proxy's error page
_NO_LISTING = (ValueError, TypeError, KeyError, AttributeError)


def _list_modelscope(repo: HubRepo) -> tuple[HubFile, ...]:
    import requests

    # what modelscope downloads with; modelscope itself takes seconds to import
    from modelscope_hub import HubApi
    from modelscope_hub.errors import HubError

    # an app without a network needn't hear of every retry
    logging.getLogger("modelscope_hub").setLevel(logging.ERROR)
    with _as_download_errors(
        f"ModelScope {repo.repo_id}", HubError, requests.RequestException, *_NO_LISTING
    ):
        api = HubApi(endpoint=_endpoint(repo.source), token="")
        listed = api.list_repo_files(repo.repo_id, "model", revision=repo.revision)
        return tuple(
            HubFile(file.path, file.size, sha256=file.sha256 or None)
            for file in listed
            if not file.is_dir
        )


class _Halt(BaseException):
    """A stop on its way through modelscope, which tries again after every `Exception`."""


def _fetch_modelscope(repo: HubRepo, files: Sequence[HubFile], folder: Path, tick: Tick) -> None:
    import requests
    from modelscope import snapshot_download
    from modelscope_hub import ProgressCallback
    from modelscope_hub.errors import FileDownloadError, FileIntegrityError, HubError

    class Progress(ProgressCallback):
        def update(self, size: int) -> None:
            try:
                tick()
            except Cancelled as error:
                raise _Halt from error

    address = f"ModelScope {repo.repo_id}"
    with _as_download_errors(address, HubError, requests.RequestException):
        try:
            snapshot_download(
                repo.repo_id,
                revision=repo.revision,
                local_dir=str(folder),
                allow_patterns=[file.name for file in files],
                progress_callbacks=[Progress],
                max_workers=1,  # nearly all of it is one file
                endpoint=_endpoint(repo.source),
                token="",
            )
        except _Halt as halt:
            raise Cancelled("the download was stopped") from halt
        except FileDownloadError as error:
            faults = list(error.failed_files.values())
            for fault in (*faults, *(fault.__cause__ for fault in faults)):
                if isinstance(fault, OSError) and fault.errno:  # the disk's
                    raise fault from error
                if isinstance(fault, FileIntegrityError):
                    raise DownloadError(f"{address}: {fault}", reason="corrupt") from error
            raise faults[0] from error


def _list_huggingface(repo: HubRepo) -> tuple[HubFile, ...]:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HTTPError

    # the variable of that name counts only before the first import
    constants.HF_HUB_DISABLE_TELEMETRY = True
    # ConnectionError: HF_HUB_OFFLINE; ImportError: a SOCKS proxy without the package for it
    with _as_download_errors(
        f"Hugging Face {repo.repo_id}", HTTPError, ConnectionError, ImportError, *_NO_LISTING
    ):
        api = HfApi(endpoint=_endpoint(repo.source), token=False)
        listed = api.model_info(
            repo.repo_id, revision=repo.revision, files_metadata=True, timeout=REPLY_TIMEOUT_S
        )
        return tuple(
            HubFile(
                file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None, file.blob_id
            )
            for file in listed.siblings or ()
        )


def _fetch_huggingface(repo: HubRepo, files: Sequence[HubFile], folder: Path, tick: Tick) -> None:
    """File by file with the function under `hf_hub_download`, which itself throws away what a
    broken run has fetched.

    This never takes the Xet route, which a mirror hasn't.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers, tqdm

    class Progress(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            tick()
            shown: bool | None = super().update(n)
            return shown

    headers = build_hf_headers(token=False, headers={"Accept-Encoding": "identity"})
    for file in files:
        ready, part = folder / file.name, folder / file.part_name
        if ready.is_file():
            ready.replace(part)
        address = f"Hugging Face {repo.repo_id}: {file.name}"
        url = hf_hub_url(
            repo.repo_id, file.name, revision=repo.revision, endpoint=_endpoint(repo.source)
        )
        try:
            with _as_download_errors(address, HTTPError, OSError), part.open("ab") as out:
                if out.tell() < file.size:
                    http_get(url, out, resume_size=out.tell(), headers=headers, tqdm_class=Progress)
            if not _is_proven(file, part):
                raise DownloadError(
                    f"{address} arrived with another size or hash than listed", reason="corrupt"
                )
        except DownloadError as error:
            if error.reason == "corrupt":
                part.unlink()
            raise
        part.replace(ready)


def _is_proven(file: HubFile, path: Path) -> bool:
    """Whether the content is the listed one; huggingface_hub doesn't look."""
    from huggingface_hub.utils.sha import git_hash, sha_fileobj

    if path.stat().st_size != file.size:
        return False
    if file.sha256:
        with path.open("rb") as data:
            return sha_fileobj(data).hex() == file.sha256
    return file.git_sha1 is None or git_hash(path.read_bytes()) == file.git_sha1
