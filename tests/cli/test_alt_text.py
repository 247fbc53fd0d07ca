"""`alt-text`: the new page, the report, and what is left for a person."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from caption.cli.program import main as cli
from caption.errors import CaptionError
from caption.options import DescribeOptions
from tests.support.cli import Run, StubDescriber

PAGE = "<p>\r\n<img src=red.png>\r\n<img src='blue.jpg'><img alt='' src=red.png><img alt=x>"
FILLED = (
    '<p>\r\n<img alt="A red picture." src=red.png>\r\n'
    "<img alt=\"A blue picture.\" src='blue.jpg'><img alt='' src=red.png><img alt=x>"
)


@pytest.fixture
def page(folder: Path) -> Path:
    path = folder / "页 1.html"
    path.write_bytes(PAGE.encode())
    return path


def test_alt_text(
    describer: StubDescriber, page: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert cli(["alt-text", str(page)]) == 0
    out, err = capsysbinary.readouterr()
    assert out == FILLED.encode()
    assert err.decode().splitlines() == [
        "第 2 行 red.png：A red picture.（支持度 93 %）",
        "第 3 行 blue.jpg：A blue picture.（支持度 93 %）",
        "第 3 行 red.png：装饰图片，没有动。",
        "写了 2 条 alt，留给人写 0 张，装饰图片 1 张没有动，1 张原来就有 alt。",
    ]
    assert page.read_bytes() == PAGE.encode()
    assert set(describer.asked) == {DescribeOptions(strategy="grounded")}


def test_alt_text_in_place(run: Run, describer: StubDescriber, page: Path, folder: Path) -> None:
    page.chmod(0o640)
    link = folder / "link.html"
    link.symlink_to(page)
    done = run(
        "alt-text", "--in-place", "--detail", "low", "--seed", 5, "--min-support", 0.75, link
    )
    assert (done.code, done.err) == (0, "")
    assert done.lines[-1].startswith("写了 2 条 alt")
    assert page.read_bytes() == FILLED.encode()
    assert link.is_symlink()
    assert stat.S_IMODE(page.stat().st_mode) == 0o640
    assert set(describer.asked) == {
        DescribeOptions(strategy="grounded", detail="low", seed=5, min_support=0.75)
    }
    before = page.stat()
    describer.loaded.clear()
    assert run("alt-text", "--in-place", page).code == 0
    assert (page.stat().st_mtime_ns, page.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert describer.loaded == []
    assert sorted(path.name for path in folder.iterdir()) == [
        "bad.png",
        "blue.jpg",
        "link.html",
        "red.png",
        page.name,
    ]


def test_alt_text_leaves_to_a_person(run: Run, describer: StubDescriber, page: Path) -> None:
    page.write_text(
        "<img src=red.png><img src=gone.png><img src=http://127.0.0.1/a.png><img src=bad.png>"
    )
    describer.changes = {"text": "", "refusal": "unsupported"}
    done = run("alt-text", "--in-place", page)
    assert done.code == 3
    assert [line.partition("留给人写：")[2] for line in done.lines[:-1]] == [
        "这张图片无法可靠地描述：没有一句话得到图片足够的支持。",
        "这个地址没有图片。",
        "不允许读取这个地址（网址要加 --allow-urls）。",
        "图片文件不完整，请重新导出或重新下载后再试。",
    ]


def test_alt_text_json(run: Run, describer: StubDescriber, page: Path) -> None:
    done = run("alt-text", "--in-place", "--json", "--decorative", "--max-chars", 10, page)
    report = json.loads(done.out)
    assert report["had_text"] == 1
    assert report["images"][0] == {
        "line": 2,
        "source": "red.png",
        "outcome": "added",
        "alt": "A red",
        "support": 0.934,
        "calibrated": True,
        "reason": None,
    }
    assert [image["outcome"] for image in report["images"]] == ["added"] * 3


def test_unchecked_alt_texts_are_told(
    run: Run, describer: StubDescriber, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describer, "judge", SimpleNamespace(can_refuse=False), raising=False)
    assert "没有核对过" in run("alt-text", "--in-place", page).err


def test_alt_text_root(run: Run, describer: StubDescriber, page: Path, folder: Path) -> None:
    (folder / "sub").mkdir()
    inner = folder / "sub" / "page.html"
    inner.write_text("<img src=/red.png><img src=../blue.jpg>")
    assert run("alt-text", inner).code == 3
    assert run("alt-text", inner, "--root", folder).code == 0


def test_alt_text_of_a_url(
    run: Run, describer: StubDescriber, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    served = {
        "http://example.com/p/": PAGE.encode(),
        "http://example.com/p/red.png": (folder / "red.png").read_bytes(),
    }

    def fetch(url: str) -> bytes:
        if url not in served:
            raise CaptionError(url, code="url_failed")
        return served[url]

    # the old address leads to the new one: pictures lie beside that
    def fetch_page(url: str) -> tuple[bytes, str]:
        address = url.replace("/old", "/p/")
        return fetch(address), address

    monkeypatch.setattr("caption.image.fetch.fetch_image", fetch)
    monkeypatch.setattr("caption.image.fetch.fetch_page", fetch_page)
    done = run("alt-text", "--allow-urls", "http://example.com/old")
    assert done.code == 3
    assert '<img alt="A red picture." src=red.png>' in done.out
    assert "<img src='blue.jpg'>" in done.out
    done = run("alt-text", "--allow-urls", "http://example.com/gone")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)


def test_alt_text_where_nothing_can_be_written(
    run: Run, describer: StubDescriber, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, code, expected in (
        (PermissionError(13, "denied"), 2, "不能写入"),
        (CaptionError("full", code="disk_full"), 4, "磁盘空间不足"),
    ):

        def write(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("caption.jobs.files.write_file", write)
        done = run("alt-text", "--in-place", page)
        assert (done.code, done.out) == (code, "")
        assert expected in done.err
        assert page.read_bytes() == PAGE.encode()
