"""What the banner says of the model in use and of a download."""

from __future__ import annotations

from typing import Any

import pytest

from caption.hub.background import BackgroundDownload, DownloadStatus
from caption.hub.find import DamagedModel
from caption.web.banner import banner_html
from tests.support.browser import FakeDescriber


class Download(BackgroundDownload):
    """One that stands still at a status."""

    def __init__(self, status: DownloadStatus) -> None:
        super().__init__("large")
        self._status = status


@pytest.mark.parametrize(
    ("describer", "status", "present", "absent"),
    [
        (FakeDescriber("large"), None, ["BLIP-large", "cpu", "float32"], ["download"]),
        (FakeDescriber("demo"), None, ["演示模型", "bash scripts/download_models.sh large", "--download large"], []),
        (FakeDescriber("demo"), DownloadStatus("looking"), ["download_models.sh"], ["下载完成"]),
        (FakeDescriber("demo"), DownloadStatus("running", 470_000_000, 1_880_000_000), ["正在下载", "25%", "470/1880 MB"], []),
        (FakeDescriber("demo"), DownloadStatus("done", 5, 5), ["下载完成，请重启"], ["download_models.sh"]),
        (FakeDescriber("demo"), DownloadStatus("failed", code="disk_full"), ["磁盘空间不足"], ["下载完成"]),
        (FakeDescriber("base", (DamagedModel("large", "/secret"),)), None, ["BLIP-base", "BLIP-large 的文件已损坏"], ["secret"]),
        (FakeDescriber("<my> model"), None, ["&lt;my&gt; model"], ["<my>"]),
    ],
)  # fmt: skip
def test_the_banner(
    describer: Any, status: DownloadStatus | None, present: list[str], absent: list[str]
):
    banner = banner_html(describer, Download(status) if status else None)
    assert all(words in banner for words in present)
    assert not any(words in banner for words in absent)


def test_an_installed_program_names_its_own_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/blip-gradio"])
    banner = banner_html(FakeDescriber("demo"))  # type: ignore[arg-type]
    assert "<code>blip-caption models download large</code>" in banner
    assert "<code>blip-gradio --download large</code>" in banner
