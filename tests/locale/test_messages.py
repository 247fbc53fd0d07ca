"""Every code has a Chinese sentence that leaks nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.errors import HTTP_STATUS, BusyError, CaptionError, ImageError, OptionsError
from caption.image import formats as image_formats
from caption.image import limits, load
from caption.locale import messages
from caption.locale.messages import percent
from caption.server import admission

SECRET = "/srv/models/geheim.safetensors"
# What details may carry: right and wrong types, paths, markup, format fields.
WILD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=8),
    st.just(SECRET),
    st.text(max_size=20).map(lambda text: f"{SECRET}{text}"),
    st.just("<b>{name}</b>"),
)
DETAILS = (
    "max_mib",
    "max_megapixels",
    "max_side",
    "max_characters",
    "running",
    "waiting",
    "name",
    "path",
)


def check_sentence(text: str) -> None:
    assert text.endswith("。")
    assert len(re.findall(r"[一-鿿]", text)) >= 8
    assert not re.search(r"[/\\{}<>&]|None|nan|inf\b", text), text
    assert "geheim" not in text


@pytest.mark.parametrize("code", HTTP_STATUS)
def test_every_code_has_a_sentence(code: str) -> None:
    check_sentence(messages.message(CaptionError(f"open {SECRET}", code=code)))


def test_no_two_codes_share_a_sentence() -> None:
    assert len({messages.message(CaptionError("", code=code)) for code in HTTP_STATUS}) == len(
        HTTP_STATUS
    )


@given(st.sampled_from(sorted(HTTP_STATUS)), st.dictionaries(st.sampled_from(DETAILS), WILD))
def test_no_detail_breaks_a_sentence_or_leaks(code: str, details: dict[str, object]) -> None:
    check_sentence(messages.message(CaptionError("", code=code, **details)))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ImageError("", code="too_large"), "图片超过 20 MiB，请压缩后再上传。"),
        (ImageError("", code="too_large", max_mib=5), "图片超过 5 MiB，请压缩后再上传。"),
        (ImageError("", code="too_large", max_mib=SECRET), "图片超过 20 MiB，请压缩后再上传。"),
        (ImageError("", code="image_truncated"), "图片文件不完整，请重新导出或重新下载后再试。"),
        (BusyError(""), "当前排队已满（1 个在运行、8 个在等待），请稍后再试。"),
        (
            BusyError("", running=2, waiting=3),
            "当前排队已满（2 个在运行、3 个在等待），请稍后再试。",
        ),
        (OptionsError("", name="top_p"), "参数 top_p 的值无效，请检查后再试。"),
        (OptionsError("", name=SECRET), "参数的值无效，请检查后再试。"),
        (OptionsError(""), "参数的值无效，请检查后再试。"),
    ],
)
def test_the_sentence(error: CaptionError, text: str) -> None:
    assert messages.message(error) == text


def test_the_usual_numbers_are_those_of_the_rooms_that_set_them() -> None:
    assert messages.message(ImageError("", code="too_large")) == messages.message(
        ImageError("", code="too_large", max_mib=load.MAX_BYTES // 2**20)
    )
    assert messages.message(ImageError("", code="too_many_pixels")) == messages.message(
        ImageError(
            "",
            code="too_many_pixels",
            max_megapixels=limits.MAX_PIXELS // 10**6,
            max_side=limits.MAX_SIDE,
        )
    )
    assert messages.message(BusyError("")) == messages.message(
        BusyError("", running=admission.RUNNING, waiting=admission.WAITING)
    )
    formats = messages.message(ImageError("", code="unsupported_format")).upper()
    assert all(name in formats for name in image_formats.FORMATS)


REFUSALS = ("blank", "noise", "foreign", "unsupported")


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_says_why_and_how_readable_the_picture_is(code: str) -> None:
    text = messages.refusal(code, 0.034)
    check_sentence(text)
    assert text.startswith("这张图片无法可靠地描述：")
    assert text.endswith("（可读度 3 %）。")
    assert messages.refusal(code, None) == text.replace("（可读度 3 %）", "")


def test_no_two_refusals_share_a_sentence() -> None:
    assert len({messages.refusal(code, 0.5) for code in REFUSALS}) == len(REFUSALS)


@given(st.integers(0, 100))
def test_a_per_cent_is_never_more_than_what_it_stands_for(whole: int) -> None:
    assert percent(whole / 100) == whole
    assert percent(max(0.0, whole / 100 - 1e-6)) == max(0, whole - 1)
