"""An error's code becomes a Chinese sentence that says what to do. The text of the exception is never shown."""

from __future__ import annotations

import math
import re

from caption.errors import CaptionError

# Code -> sentence. A field takes its value from `error.details`, else from `_USUAL`.
_SENTENCES = {
    "bad_json": "请求的内容不是有效的 JSON，请检查格式后再发送。",
    "url_forbidden": "不能从这个网址读取图片，请把图片保存下来后上传。",
    "origin_forbidden": "这个请求来自其他网站，已被拒绝，请直接打开本服务的页面再操作。",
    "not_found": "没有这个地址，请从本服务的首页开始使用。",
    "method_not_allowed": "这个地址不支持这种请求方法，请查看接口说明。",
    "too_large": "图片超过 {max_mib} MiB，请压缩后再上传。",
    "unsupported_format": "不支持这种文件格式，请转换为 JPEG、PNG、WebP、GIF、BMP、TIFF 或 AVIF 图片后再上传。",
    "no_image": "没有收到图片，请先上传或粘贴一张图片。",
    "image_invalid": "无法读取这个文件，它不是有效的图片，请换一张图片，或重新导出后再试。",
    "image_truncated": "图片文件不完整，请重新导出或重新下载后再试。",
    "too_many_pixels": "图片尺寸太大（最多 {max_megapixels} 百万像素，每边最多 {max_side} 像素），请缩小后再上传。",
    "bad_param": "参数{name}的值无效，请检查后再试。",
    "prompt_too_long": "提示词太长（最多 {max_characters} 个字符），请缩短后再试。",
    "queue_full": "当前排队已满（{running} 个在运行、{waiting} 个在等待），请稍后再试。",
    "cancelled": "已停止，需要时请重新生成。",
    "internal": "程序内部出错，请重试；如果仍然出错，请把请求编号告诉管理员。",
    "url_failed": "没有从这个网址取得图片，请检查网址，或把图片保存下来后上传。",
    "download_failed": "下载失败，请检查网络连接后再试。",
    "not_ready": "模型正在加载，请稍候片刻再试。",
    "draining": "服务正在停止，请等它重新启动后再试。",
    "model_missing": "没有找到模型文件，请先下载模型，再重新启动程序。",
    "model_damaged": "模型文件已损坏，请重新下载模型，再重新启动程序。",
    "out_of_memory": "内存或显存不足，请降低详细程度，或关闭其他程序后再试。",
    "url_timeout": "从这个网址下载图片超时，请稍后再试，或把图片保存下来后上传。",
    "deadline": "处理时间超过了上限，请降低详细程度，或稍后再试。",
    "disk_full": "磁盘空间不足，请清理磁盘后再试。",
}
_USUAL: dict[str, int | str] = {
    "max_mib": 20,
    "max_megapixels": 50,
    "max_side": 20_000,
    "max_characters": 200,
    "running": 1,
    "waiting": 8,
    "name": "",
}
_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # no path has this form

# Why nothing was described (`Description.refusal`) -> the reason.
_REFUSALS = {
    "blank": "画面是空白的，或者只有一片颜色或渐变，看不出任何内容",
    "noise": "画面像随机的噪点，认不出任何东西",
    "foreign": "它和当前模型学过的图片相差太远，写出来的内容不可信，请换一个模型或换一张图片",
    "unsupported": "没有一句话得到图片足够的支持",
}


def message_zh(error: CaptionError) -> str:
    """The sentence for the user; only plain numbers and an option's name are taken from `error.details`."""
    values = dict(_USUAL)
    for field, value in error.details.items():
        if field == "name":
            if isinstance(value, str) and _OPTION_NAME.fullmatch(value):
                values[field] = f" {value} "
        elif field in values and isinstance(value, int | float) and math.isfinite(value):
            values[field] = int(value)
    return _SENTENCES[error.code].format_map(values)


def error_body(error: CaptionError, request_id: str) -> dict[str, dict[str, str]]:
    """The JSON body of a failed request."""
    return {"error": {"code": error.code, "message": message_zh(error), "request_id": request_id}}


def refusal_zh(code: str, readability: float | None) -> str:
    """What stands in place of a description that was refused.

    `code`: `Description.refusal`; `readability`: 0 to 1, how readable the picture seemed, None where nobody asked.
    """
    score = "" if readability is None else f"（可读度 {percent(readability)} %）"
    return f"这张图片无法可靠地描述：{_REFUSALS[code]}{score}。"


def percent(share: float) -> int:
    """0 to 1 in whole per cent, rounded down: what reads 93 % is not below 93 %."""
    return int(100 * share + 1e-9)
