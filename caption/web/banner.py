"""The web app: `python blip_gradio.py`. A picture uploaded or pasted in the browser becomes a long
description.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from caption.errors import CaptionError
from caption.hub.background import BackgroundDownload
from caption.hub.specs import model_title, suits_photographs
from caption.locale import messages

if TYPE_CHECKING:
    from caption.describe import Describer


def banner_html(describer: Describer, download: BackgroundDownload | None = None) -> str:
    """Which model speaks, which ones can't, how to get a better one, and how far its download is."""
    title = html.escape(model_title(describer.name))
    lines = [
        f"当前模型：<b>{title}</b>（设备 {html.escape(describer.device)}，精度 {html.escape(describer.precision)}）"
    ]
    lines += [
        f"{html.escape(model_title(one.name))} 的文件已损坏，没有使用，请重新下载。"
        for one in describer.damaged
    ]
    status = download.status if download else None
    if download and status and status.phase == "running":
        percent = 100 * status.done_bytes // status.total_bytes if status.total_bytes else 0
        megabytes = (
            f"{status.done_bytes / 1e6:.0f}/{status.total_bytes / 1e6:.0f} MB"
            if status.total_bytes
            else "准备中"
        )
        lines.append(f"正在下载 {model_title(download.name)}：{percent}%（{megabytes}）")
    elif download and status and status.phase == "done":
        lines.append(f"{model_title(download.name)} 下载完成，请重启。")
    else:
        if download and status and status.phase == "failed":
            reason = messages.message(CaptionError("download", code=status.code))
            lines.append(f"{model_title(download.name)} 没有下载成功：{reason}")
        if not suits_photographs(describer.name):
            lines.append(
                "要获得 BLIP-large：运行 <code>bash scripts/download_models.sh large</code>，"
                "或用 <code>python blip_gradio.py --download large</code> 启动。"
            )
    return "<br>".join(lines)
