"""The page in a real browser: every way a picture gets in, every button, every toast. Screenshots
go to tests/artefacts/.
"""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from caption.describe import with_min_support
from caption.errors import CaptionError
from caption.locale import messages, text
from caption.options import DescribeOptions
from caption.types import Sentence
from tests.support.browser import (
    EXAMPLES,
    STATEMENTS,
    FakeDescriber,
    Served,
    bad_files,
    encoded,
    filtered,
    grounded,
    picture_bytes,
    refused,
    serving,
    statistics,
    told,
    until,
)
from tests.support.paths import ROOT
from tests.support.tabs import add_tab

pytestmark = pytest.mark.browser

ARTEFACTS = ROOT / "tests" / "artefacts"
PICTURE = "#picture img"
NEWS = "#progress .note, #progress .stage"
INSECURE_HOST = "blip.test"
DEFAULT_LABEL = text(f"strategy.{DescribeOptions().strategy}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    executable = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    missing = "there is no chromium on this machine" if executable is None else ""
    try:
        from playwright import sync_api
    except ImportError:
        missing = "Playwright for Python is not installed"
    if missing:  # where nobody looks, a check that silently didn't run is worse than a failure
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def app() -> Iterator[Served]:
    with serving(FakeDescriber(), host="0.0.0.0") as served:
        yield served


class Visitor:
    """A page, and what a person does with it."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def upload(self, content: bytes, name: str = "picture.png", kind: str = "image/png") -> None:
        before = self.source()
        self.page.set_input_files(
            "#picture input[type=file]", {"name": name, "mimeType": kind, "buffer": content}
        )
        assert until(lambda: self.source() not in (None, before))

    def source(self) -> str | None:
        picture = self.page.locator(PICTURE)
        return picture.first.get_attribute("src") if picture.count() else None

    def press(self) -> None:
        self.page.click("#run")

    def text(self) -> str:
        return self.page.locator("#description textarea").input_value()

    def field(self, name: str) -> str:
        return self.page.locator(f"#{name} textarea, #{name} input").first.input_value()

    def news(self) -> str:
        news = self.page.locator(NEWS)
        return news.first.inner_text() if news.count() else ""

    def wait_text(self, text: str) -> None:
        assert until(lambda: self.text() == text), self.text()

    def toast(self) -> str:
        """The newest toast's sentence; it is closed afterwards."""
        toast = self.page.locator('[data-testid="toast-text"]').last
        toast.wait_for(timeout=60_000)
        sentence = toast.inner_text()
        self.page.locator('[data-testid="toast-close"]').last.click()
        return sentence

    def copy_picture(self, content: bytes) -> None:
        """Put a picture on the real clipboard; only a secure origin may."""
        self.page.evaluate(
            """async (content) => {
              const blob = await (await fetch("data:image/png;base64," + content)).blob();
              await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
            }""",
            base64.b64encode(content).decode(),
        )


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visitor]]:
    contexts = []
    outside: list[str] = []
    faults: list[str] = []

    def open_page(url: str, *, context: Any = None, **options: Any) -> Visitor:
        if context is None:
            context = chromium.new_context(
                **{"locale": "zh-CN", "viewport": {"width": 1280, "height": 1000}, **options}
            )
            contexts.append(context)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on(
            "request",
            lambda request: outside.append(request.url) if is_outside(request.url) else None,
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#run")
        page.wait_for_selector("#picture [data-name]")  # the page's own script has run
        return Visitor(page)

    yield open_page
    for context in contexts:
        context.close()
    assert outside == []
    assert faults == []


def is_outside(url: str) -> bool:
    return not re.match(
        rf"(data|blob):|http://(127\.0\.0\.1|localhost|{re.escape(INSECURE_HOST)})[:/]", url
    )


# --------------------------------------------------------------------------------------------- what it looks like


def test_the_page_says_what_it_should(served: Served, visit: Callable[..., Visitor]):
    page = visit(served.url).page
    assert page.title() == text("page.title") == "BLIP超详细图片描述生成器"
    assert page.locator("h1").inner_text() == "🖼️ BLIP超详细图片描述生成器"
    for words in (
        "上传图片", "详细程度设置", "详细程度", "选择描述的详细程度", "超高详细 (推荐)", "中等详细", "基础详细",
        "启用多轮生成 (显著增加描述长度)", "策略", "可信细节", "长度强制", "简短", "🚀 生成超详细描述", "停止", "技术说明", "多提示词生成",
        "多轮迭代", "后处理扩展", "智能清理", "生成的超详细描述", "统计信息", "描述长度", "随机种子",
        "演示模型只认识绘制的场景，对照片的描述不可信。",
    ):  # fmt: skip
        assert page.get_by_text(words, exact=True).filter(visible=True).count() >= 1, words
    assert (
        page.locator("#notes")
        .inner_text()
        .endswith('推荐设置: 启用"超高详细"和"多轮生成"获得最佳效果')
    )
    assert (
        page.locator("#description textarea").get_attribute("placeholder")
        == "这里将显示非常详细的图片描述..."
    )
    assert (
        page.locator("#statistics textarea, #statistics input").get_attribute("placeholder")
        == "字符数和词数将在这里显示..."
    )
    assert page.get_by_label("超高详细 (推荐)").is_checked()
    assert page.get_by_label(DEFAULT_LABEL).is_checked()
    assert page.get_by_label("启用多轮生成 (显著增加描述长度)").is_checked()
    line, text_box = (
        page.locator("#demo-line").bounding_box(),
        page.locator("#description").bounding_box(),
    )
    assert 0 <= text_box["y"] - (line["y"] + line["height"]) < 40  # directly above the text


def test_no_demo_line_when_another_model_speaks(visit: Callable[..., Visitor]):
    with serving(FakeDescriber("large")) as other:
        page = visit(other.url).page
        assert page.locator("#demo-line").filter(visible=True).count() == 0
        assert "BLIP-large" in page.locator("#banner").inner_text()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("desktop", {}),
        (
            "phone",
            {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
        ),
        ("dark", {"color_scheme": "dark"}),
    ],
)
def test_it_fits(served: Served, visit: Callable[..., Visitor], name: str, options: dict[str, Any]):
    visitor = visit(served.url, **options)
    page = visitor.page
    visitor.upload((EXAMPLES / "chelsea.png").read_bytes())
    served.describer.hold_at = 2
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(1, 0))
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for element in page.locator(
        "#run, #stop, #picture, #description, #banner, #demo-line, #examples"
    ).all():
        box = element.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"] + 1
    if name == "phone":  # the result comes into view by itself
        assert until(
            lambda: page.evaluate(
                "document.querySelector('#description').getBoundingClientRect().top < innerHeight"
            )
        )
    if name == "dark":
        colours = page.evaluate(
            "['#description textarea', '#banner'].map((selector) => {"
            "  const style = getComputedStyle(document.querySelector(selector)); return [style.color, style.backgroundColor] })"
        )
        for colour, ground in colours:
            assert min(channels(colour)) - max(channels(ground)) > 100


def channels(colour: str) -> list[float]:
    return [float(number) for number in re.findall(r"[\d.]+", colour)[:3]]


# --------------------------------------------------------------------------------------------- pictures get in


def test_upload_by_click_and_describe(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.get_by_text("点击上传").click()
    chooser.value.set_files(EXAMPLES / "coffee.png")
    visitor.page.wait_for_selector(PICTURE)
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 0))
    assert visitor.field("statistics") == statistics(visitor.text())
    assert visitor.field("seed") == "0"
    assert served.describer.images == [(EXAMPLES / "coffee.png").read_bytes()]
    visitor.press()  # the same picture and settings: the next seed
    visitor.wait_text(FakeDescriber.text_of(3, 1))
    assert visitor.field("seed") == "1"


def drop(
    visitor: Visitor, content: bytes, name: str = "dropped.png", kind: str = "image/png"
) -> None:
    carrier = visitor.page.evaluate_handle(
        """([content, name, type]) => {
          const carrier = new DataTransfer();
          const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
          carrier.items.add(new File([bytes], name, { type }));
          return carrier;
        }""",
        [base64.b64encode(content).decode(), name, kind],
    )
    target = visitor.page.locator(
        f"{PICTURE}, #picture button.upload-container, #picture .upload-container button"
    ).first
    for event in ("dragenter", "dragover", "drop"):
        target.dispatch_event(event, {"dataTransfer": carrier})


def test_drop_empty_and_replacing(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    drop(visitor, picture_bytes("red"))
    assert until(lambda: visitor.source() is not None)
    before = visitor.source()
    drop(visitor, picture_bytes("blue"))
    assert until(lambda: visitor.source() not in (None, before))
    visitor.press()
    assert until(lambda: served.describer.images == [picture_bytes("blue")])


@pytest.mark.parametrize("host", ["127.0.0.1", INSECURE_HOST])
def test_paste_anywhere(served: Served, visit: Callable[..., Visitor], host: str):
    visitor = visit(served.url)
    visitor.copy_picture(picture_bytes("red"))
    if host == INSECURE_HOST:
        helper, visitor = (
            visitor,
            visit(f"http://{INSECURE_HOST}:{served.port}", context=visitor.page.context),
        )
        assert not visitor.page.evaluate("isSecureContext")
    else:
        helper = visitor
    visitor.page.bring_to_front()
    visitor.page.keyboard.press("Control+V")  # nothing has the focus, no picture there
    assert until(lambda: visitor.source() is not None)
    first = visitor.source()
    helper.page.bring_to_front()
    helper.copy_picture(picture_bytes("blue"))
    visitor.page.bring_to_front()
    visitor.page.get_by_label("中等详细").focus()  # a control has the focus, a picture is there
    visitor.page.keyboard.press("Control+V")
    assert until(lambda: visitor.source() not in (None, first))
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 0))


def test_after_the_clipboard_button_everything_else_still_works(
    served: Served, visit: Callable[..., Visitor]
):
    visitor = visit(served.url)
    sources = []
    visitor.copy_picture(picture_bytes("red"))
    visitor.page.get_by_label("粘贴", exact=True).click()
    assert until(lambda: visitor.source() is not None)
    sources.append(visitor.source())
    visitor.copy_picture(picture_bytes("blue"))
    visitor.page.keyboard.press("Control+V")
    assert until(lambda: visitor.source() not in (None, *sources))
    sources.append(visitor.source())
    drop(visitor, picture_bytes("green"))
    assert until(lambda: visitor.source() not in (None, *sources))
    visitor.page.get_by_label("移除").click()
    assert until(lambda: visitor.source() is None)
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.get_by_text("点击上传").click()
    chooser.value.set_files(EXAMPLES / "coffee.png")
    visitor.page.wait_for_selector(PICTURE)


def test_the_clipboard_button_says_why_it_can_not(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.page.evaluate("navigator.clipboard.writeText('only words')")
    visitor.page.get_by_label("粘贴", exact=True).click()
    assert visitor.toast() == text("page.refused.clipboard_empty")
    insecure = visit(f"http://{INSECURE_HOST}:{served.port}")
    insecure.page.get_by_label("粘贴", exact=True).click()
    assert insecure.toast() == text("page.refused.clipboard_denied")


def test_text_pasted_into_a_text_field_stays_text(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.page.evaluate(
        "() => { const field = document.createElement('textarea'); field.id = 'words'; document.body.prepend(field); }"
    )
    visitor.page.evaluate("navigator.clipboard.writeText('only words')")
    visitor.page.focus("#words")
    visitor.page.keyboard.press("Control+V")
    assert visitor.page.input_value("#words") == "only words"
    assert visitor.source() is None


def test_an_example_is_one_click_away(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.page.get_by_label("照片：猫").click()
    visitor.page.wait_for_selector(PICTURE)
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 0))
    assert served.describer.images == [(EXAMPLES / "chelsea.png").read_bytes()]
    visitor.upload(b"no picture")  # the input is still ours after it was filled from the server
    visitor.press()
    assert visitor.toast() == messages.message(CaptionError("x", code="image_invalid"))


# --------------------------------------------------------------------------------------------- settings and progress


def test_settings_reach_the_describer(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    visitor.page.get_by_label("中等详细").check()
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(2, 0))
    visitor.page.get_by_label("启用多轮生成 (显著增加描述长度)").uncheck()
    visitor.page.get_by_label("简短").check()
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(1, 0))
    chosen = served.describer.options
    assert [(options.detail, options.multi_round, options.strategy) for options in chosen] == [
        ("medium", True, DescribeOptions().strategy), ("medium", False, "plain"),
    ]  # fmt: skip


def test_progress_partial_text_and_stop(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    served.describer.hold_at = 1
    visitor.press()
    assert until(lambda: "多提示词生成：第 1/4 步" in visitor.news())
    bar = visitor.page.get_by_role("progressbar")
    assert bar.get_attribute("aria-valuenow") == "8"
    assert visitor.text() == ""
    served.describer.hold_at = 2
    visitor.wait_text(FakeDescriber.text_of(1, 0))
    assert "第 2/3 轮增强：第 1/4 步" in visitor.news()
    assert visitor.field("statistics") == statistics(visitor.text())
    visitor.page.click("#stop")
    assert until(lambda: visitor.news() == "已停止")
    assert until(lambda: served.describer.active == 0)
    assert visitor.text() == FakeDescriber.text_of(1, 0)
    assert visitor.field("statistics") == statistics(visitor.text())
    assert until(lambda: visitor.page.locator("#stop").is_disabled())
    served.describer.hold_at = None
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 1))


def test_closing_the_page_frees_the_model(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    served.describer.hold_at = 2
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(1, 0))
    visitor.page.close()
    assert until(lambda: served.describer.active == 0 and served.gate.running == 0)


def test_two_users_at_once(served: Served, visit: Callable[..., Visitor]):
    first, second = visit(served.url), visit(served.url)
    first.upload(picture_bytes("red"))
    second.upload(picture_bytes("blue"))
    served.describer.hold_at = 1
    first.press()
    assert until(lambda: served.gate.running == 1)
    second.press()
    assert until(lambda: "排队第 1 位" in second.news())
    second.page.click("#stop")  # the one in line leaves, the other goes on
    assert until(lambda: second.news() == "已停止")
    assert (served.gate.running, served.gate.waiting) == (1, 0)
    second.press()
    assert until(lambda: served.gate.waiting == 1)
    served.describer.hold_at = None
    first.wait_text(FakeDescriber.text_of(3, 0))
    second.wait_text(FakeDescriber.text_of(3, 0))
    assert served.describer.images == [picture_bytes("red"), picture_bytes("blue")]


@pytest.mark.parametrize("host", ["127.0.0.1", INSECURE_HOST])
def test_copy(served: Served, visit: Callable[..., Visitor], host: str):
    visitor = visit(f"http://{host}:{served.port}")
    visitor.upload(picture_bytes())
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 0))
    visitor.page.get_by_label("复制").click()
    reader = visitor if host == "127.0.0.1" else visit(served.url, context=visitor.page.context)
    reader.page.bring_to_front()
    assert until(lambda: reader.page.evaluate("navigator.clipboard.readText()") == visitor.text())


def test_the_keyboard_alone_is_enough(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    page = visitor.page
    visitor.upload(picture_bytes())
    served.describer.hold_at = 1
    page.keyboard.press("Control+Enter")
    assert until(lambda: served.gate.running == 1 and page.locator("#stop").is_enabled())
    names = set()
    page.evaluate("() => { document.body.tabIndex = -1; document.body.focus(); }")
    for _ in range(60):
        page.keyboard.press("Tab")
        names.add(
            page.evaluate(
                "() => { const focused = document.activeElement; const label = focused.labels?.[0]?.innerText;"
                " return (focused.getAttribute('aria-label') || label || focused.innerText || '').trim() }"
            )
        )
    wanted = {
        "上传",
        "粘贴",
        "移除",
        "超高详细 (推荐)",
        DEFAULT_LABEL,
        "启用多轮生成 (显著增加描述长度)",
        "🚀 生成超详细描述",
        "停止",
        "复制",
    }
    assert wanted <= names, names
    assert "照片：猫" in names
    page.focus("#stop")
    page.keyboard.press("Enter")
    assert until(lambda: visitor.news() == "已停止")


# --------------------------------------------------------------------------------------------- toasts


def test_pressing_without_a_picture(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.press()
    assert visitor.toast() == messages.message(CaptionError("x", code="no_image"))


@pytest.mark.parametrize(
    "code", ["image_invalid", "image_truncated", "too_many_pixels", "unsupported_format"]
)
def test_bad_pictures_keep_the_last_description(
    served: Served, visit: Callable[..., Visitor], tmp_path: Path, code: str
):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 0))
    path = bad_files(tmp_path)[code]
    visitor.upload(
        path.read_bytes(), path.name, "image/svg+xml" if path.suffix == ".svg" else "image/png"
    )
    visitor.press()
    assert visitor.toast() == messages.message(CaptionError("x", code=code))
    assert visitor.text() == FakeDescriber.text_of(3, 0)
    assert visitor.field("statistics") == statistics(visitor.text())
    assert until(lambda: visitor.page.locator("#stop").is_disabled())


@pytest.mark.parametrize(
    ("name", "kind", "size", "code"),
    [
        ("huge.png", "image/png", 20 * 2**20 + 1, "too_large"),
        ("notes.txt", "text/plain", 10, "unsupported_format"),
    ],
)
def test_files_that_never_travel(
    served: Served, visit: Callable[..., Visitor], name: str, kind: str, size: int, code: str
):
    visitor = visit(served.url)
    visitor.page.set_input_files(
        "#picture input[type=file]", {"name": name, "mimeType": kind, "buffer": bytes(size)}
    )
    assert visitor.toast() == messages.message(CaptionError("x", code=code))
    assert visitor.source() is None
    visitor.upload(picture_bytes())  # and the input still works


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (RuntimeError("/secret"), "internal"),
        (CaptionError("/secret", code="model_damaged"), "model_damaged"),
        (CaptionError("/secret", code="out_of_memory"), "out_of_memory"),
        (CaptionError("/secret", code="draining"), "draining"),
    ],
    ids=["unforeseen", "model", "memory", "stopping"],
)
def test_faults_are_toasts(
    served: Served, visit: Callable[..., Visitor], fault: Exception, code: str
):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    served.describer.fault = fault
    visitor.press()
    assert visitor.toast() == messages.message(CaptionError("x", code=code))
    assert visitor.text() == ""
    assert until(lambda: visitor.news() == "")


def test_a_full_line_is_a_toast(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    tickets = [
        served.gate.enter() for _ in range(served.gate.max_running + served.gate.max_waiting)
    ]
    visitor.press()
    assert visitor.toast() == messages.message(CaptionError("x", code="queue_full"))
    for ticket in tickets:
        ticket.leave()
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 0))


# --------------------------------------------------------------------------------------------- evidence

OVERLAY = "#picture .evidence-overlay"
SENTENCES = "#sentences .sentence"
PARTS = "#sentences .part"
DETAILS = "#sentences .details"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}


@pytest.fixture
def explained(
    served: Served, visit: Callable[..., Visitor], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Visitor]:
    """Opens a page with a grounded description on it."""
    monkeypatch.setattr("caption.web.tabs.describe.with_min_support", filtered)

    def describe(
        content: bytes | None = None, *, description: Any = None, **options: Any
    ) -> Visitor:
        served.describer.grounded = description or grounded()
        visitor = visit(served.url, **options)
        visitor.upload(content or grey(600, 200))
        visitor.page.get_by_label("可信细节").check()
        visitor.press()
        if served.describer.grounded.text:
            visitor.wait_text(served.describer.grounded.text)
        return visitor

    return describe


def grey(width: int, height: int, kind: str = "PNG", **options: Any) -> bytes:
    return encoded(Image.new("RGB", (width, height), (128, 128, 128)), kind, **options)


def lying_jpeg(width: int, height: int) -> bytes:
    """Stored on its side; a browser shows it `width` wide and `height` high."""
    exif = Image.Exif()
    exif[274] = 6
    return grey(height, width, "JPEG", exif=exif)


Rect = tuple[float, float, float, float]  # left, top, width, height in CSS pixels


def rect(visitor: Visitor, selector: str) -> Rect:
    """Where the first such element is; nowhere if there is none."""
    return visitor.page.evaluate(
        """(selector) => {
          const box = document.querySelector(selector)?.getBoundingClientRect();
          return box ? [box.left, box.top, box.width, box.height] : [0, 0, -1, -1];
        }""",
        selector,
    )


def expected(
    visitor: Visitor, size: tuple[int, int], region: Rect, img: str = PICTURE, largest: float = 1.0
) -> Rect:
    """Where a region (left, top, right, bottom as shares) of a picture of this size lies, drawn in
    the middle of its <img>.
    """
    x, y, across, down = rect(visitor, img)
    scale = min(across / size[0], down / size[1], largest)
    width, height = size[0] * scale, size[1] * scale
    left, top = x + (across - width) / 2, y + (down - height) / 2
    return (
        left + region[0] * width,
        top + region[1] * height,
        (region[2] - region[0]) * width,
        (region[3] - region[1]) * height,
    )


def lies_at(visitor: Visitor, selector: str, place: Callable[[], Rect]) -> None:
    def near() -> bool:
        return all(abs(a - b) < 1 for a, b in zip(rect(visitor, selector), place(), strict=True))

    assert until(near, 10), (rect(visitor, selector), place())


def pressed(visitor: Visitor) -> list[str]:
    return visitor.page.locator('#sentences [aria-pressed="true"]').evaluate_all(
        "buttons => buttons.map(button => button.innerText)"
    )


def unseen(visitor: Visitor, selector: str) -> bool:
    return visitor.page.locator(selector).filter(visible=True).count() == 0


def announced(visitor: Visitor) -> str:
    return visitor.page.locator("#sentences .chosen").inner_text()


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (grey(600, 200), (600, 200)),
        (grey(200, 900), (200, 900)),
        (grey(64, 48), (64, 48)),
        (lying_jpeg(200, 400), (200, 400)),
    ],
    ids=["wide", "tall", "small", "lying"],
)
def test_a_chosen_sentence_outlines_its_region(
    explained: Callable[..., Visitor], content: bytes, size: tuple[int, int]
):
    visitor = explained(content)
    page = visitor.page
    for i, region in enumerate([(0, 0, 1, 1), (0, 0, 0.5, 1), (0.5, 0, 1, 0.5)]):
        page.locator(SENTENCES).nth(i).click()
        lies_at(visitor, f"{OVERLAY} .box", partial(expected, visitor, size, region))
        assert pressed(visitor) == [STATEMENTS[i].text]
        assert page.locator(f"{OVERLAY} .label").inner_text() == announced(visitor)
    assert announced(visitor) == "图片区域（右上），支持度 61 %"
    frame, label = rect(visitor, PICTURE), rect(visitor, f"{OVERLAY} .label")
    assert frame[0] - 1 <= label[0]
    assert label[0] + label[2] <= frame[0] + frame[2] + 1
    page.locator(SENTENCES).nth(2).click()  # again: it goes
    assert page.locator(OVERLAY).count() == 0
    assert (pressed(visitor), announced(visitor)) == ([], "")


def colours(visitor: Visitor) -> Callable[[float, float], tuple[int, ...]]:
    """The colour of any point of the page as it is seen."""
    image = Image.open(io.BytesIO(visitor.page.screenshot())).convert("RGB")
    return lambda x, y: image.getpixel((int(x), int(y)))  # type: ignore[return-value]


def test_the_outline_is_seen_on_the_picture(explained: Callable[..., Visitor]):
    visitor = explained()
    visitor.page.locator(SENTENCES).nth(1).click()
    lies_at(visitor, f"{OVERLAY} .box", lambda: expected(visitor, (600, 200), (0, 0, 0.5, 1)))
    left, top, width, height = rect(visitor, f"{OVERLAY} .box")
    colour = colours(visitor)
    assert colour(left + width - 2, top + height / 2) == (255, 255, 255)
    assert colour(left + width + 1, top + height / 2) == (0, 0, 0)
    assert colour(left + width + 20, top + height / 2) == (128, 128, 128)
    visitor.page.wait_for_timeout(300)
    visitor.page.evaluate(f"document.querySelector('{OVERLAY}').dataset.seen = 'yes'")
    visitor.page.wait_for_timeout(300)
    # drawn once, not over and over
    assert visitor.page.locator(f"{OVERLAY}[data-seen=yes]").count() == 1


def test_a_chosen_word_shows_its_heat_map(explained: Callable[..., Visitor]):
    visitor = explained()
    page = visitor.page
    page.get_by_role("button", name="red 图片让这个词可能得多").click()
    assert pressed(visitor) == ["red"]
    assert announced(visitor) == "模型写“red”时看的地方，图片让这个词可能得多"
    lies_at(visitor, f"{OVERLAY} canvas", lambda: expected(visitor, (600, 200), (0, 0, 1, 1)))
    left, top, width, height = rect(visitor, f"{OVERLAY} canvas")
    colour = colours(visitor)
    peak, far = (
        colour(left + width * (x + 0.5) / 8, top + height * (y + 0.5) / 8)
        for x, y in ((2, 5), (7, 0))
    )
    assert peak[0] > 140 > 70 > far[0]
    # a line around the nine hot cells, so that colour isn't all there is
    lies_at(visitor, f"{OVERLAY} svg", lambda: (left, top, width, height))
    line = page.locator(f"{OVERLAY} path").last.evaluate(
        "(path) => { const box = path.getBBox(); return [box.x, box.y, box.width, box.height] }"
    )
    assert line == [1, 4, 3, 3]  # in cells
    page.get_by_role("button", name="box 图片让这个词可能得多").click()
    assert pressed(visitor) == ["box"]
    assert page.locator(f"{OVERLAY} canvas").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(OVERLAY).count() == 0
    assert pressed(visitor) == []


def test_evidence_by_keyboard(explained: Callable[..., Visitor]):
    visitor = explained()
    page = visitor.page
    page.locator(SENTENCES).first.focus()
    page.keyboard.press("Enter")
    assert pressed(visitor) == [STATEMENTS[0].text]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert pressed(visitor) == [STATEMENTS[1].text]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # there is no third word
    page.keyboard.press("Enter")
    assert pressed(visitor) == ["box"]
    page.keyboard.press("Enter")
    assert pressed(visitor) == []
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    # and Tab reaches every word too
    assert page.evaluate("document.activeElement.innerText") == "box"
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.innerText") == STATEMENTS[0].text
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert pressed(visitor) == []
    assert page.locator(OVERLAY).count() == 0


def test_a_chosen_part_unfolds_what_speaks_for_it(explained: Callable[..., Visitor]):
    visitor = explained(description=told())
    page = visitor.page
    assert unseen(visitor, DETAILS)
    page.locator(PARTS).nth(3).click()
    lies_at(visitor, f"{OVERLAY} .box", lambda: expected(visitor, (600, 200), (0, 0, 0.5, 1)))
    assert pressed(visitor) == ["On the left there is a blue box"]
    assert announced(visitor) == "图片区域（左），支持度 88 %"
    details = page.locator(DETAILS).filter(visible=True)
    assert details.count() == 1
    assert "核对的陈述：On the left, there is a blue box." in details.inner_text()
    page.locator(PARTS).nth(2).click()  # another one: the first is folded
    assert details.count() == 1
    assert "有 2 条描述这样说：" in details.inner_text()
    details.get_by_role("button", name="ball").click()  # its words keep it open
    page.wait_for_selector(f"{OVERLAY} canvas")
    assert pressed(visitor) == ["ball"]
    assert page.locator(f"{PARTS}[aria-expanded=true]").all_inner_texts() == ["next to a red ball"]
    page.keyboard.press("Escape")
    assert unseen(visitor, DETAILS)
    assert unseen(visitor, OVERLAY)


def test_the_parts_of_one_statement_are_chosen_together(explained: Callable[..., Visitor]):
    line = (("A dog", 1, 0), ", next to a ball, ", ("lies on grass", 1, 0), ".")
    visitor = explained(description=told([line]))
    visitor.page.locator(PARTS).last.click()
    assert pressed(visitor) == ["A dog", "lies on grass"]
    assert visitor.page.locator(DETAILS).filter(visible=True).count() == 1
    visitor.page.locator(PARTS).first.click()
    assert pressed(visitor) == []


def test_parts_by_keyboard(explained: Callable[..., Visitor]):
    visitor = explained(description=told())
    page = visitor.page

    def focused() -> str:
        return page.evaluate("document.activeElement.innerText")

    page.locator("#min-support input[type=range]").focus()
    page.keyboard.press("Tab")
    assert focused() == "A large dog"
    page.keyboard.press("Enter")
    assert pressed(visitor) == ["A large dog"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert focused() == "behind the dog"
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("Space")
    assert pressed(visitor) == ["behind the dog"]
    assert page.evaluate("scrollY") == scrolled
    page.keyboard.press("ArrowRight")  # into what it unfolded
    page.keyboard.press("Enter")
    assert pressed(visitor) == ["box"]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # what is folded is passed over
    assert focused() == "next to a red ball"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert pressed(visitor) == []


def test_a_chosen_part_stays_chosen_as_its_sentence_changes(
    explained: Callable[..., Visitor], monkeypatch: pytest.MonkeyPatch
):
    visitor = explained(description=told())
    page = visitor.page
    page.locator(PARTS).nth(2).click()
    shorter = told([(("A large dog", 0, 0), " is ", ("next to a red ball", 2, 0), ".")])
    monkeypatch.setattr("caption.web.tabs.describe.with_min_support", lambda *_: shorter)
    page.locator("#min-support input[type=number]").fill("75")
    visitor.wait_text(shorter.text)
    assert until(lambda: page.locator(PARTS).count() == 2)
    assert until(lambda: pressed(visitor) == ["next to a red ball"])
    assert page.locator(DETAILS).filter(visible=True).count() == 1


def test_the_outline_follows_the_picture(explained: Callable[..., Visitor]):
    visitor = explained()
    page = visitor.page
    page.locator(SENTENCES).nth(1).click()
    before = rect(visitor, f"{OVERLAY} .box")
    for width in (820, 480):
        page.set_viewport_size({"width": width, "height": 1000})
        lies_at(visitor, f"{OVERLAY} .box", lambda: expected(visitor, (600, 200), (0, 0, 0.5, 1)))
    assert rect(visitor, f"{OVERLAY} .box") != before


def test_another_picture_takes_the_outline_away(explained: Callable[..., Visitor]):
    visitor = explained()
    page = visitor.page
    page.locator(SENTENCES).nth(1).click()
    page.wait_for_selector(OVERLAY)
    visitor.upload(picture_bytes("blue"))
    assert until(lambda: page.locator(OVERLAY).count() == 0)
    assert announced(visitor) == "图片已经更换，无法在图上标出。"
    visitor.upload(grey(600, 200))  # the one that was described
    lies_at(visitor, f"{OVERLAY} .box", lambda: expected(visitor, (600, 200), (0, 0, 0.5, 1)))


def test_the_slider_filters_without_the_model(served: Served, explained: Callable[..., Visitor]):
    visitor = explained()
    page = visitor.page
    number = page.locator("#min-support input[type=number]")
    assert number.input_value() == "50"
    assert visitor.field("statistics") == statistics(visitor.text())
    assert visitor.field("mean-support") == "82 %"
    assert page.locator("#dropped summary").inner_text() == "已删去: 1 句"
    assert not page.locator("#dropped li").is_visible()
    page.locator("#dropped summary").click()
    assert page.locator("#dropped li").inner_text() == "A dog sleeps on the roof.（支持度 12 %）"
    page.locator(SENTENCES).first.click()
    tickets: list[object] = []

    def enter(*, ready: bool = True) -> Any:
        tickets.append(ready)

    served.gate.enter = enter  # type: ignore[method-assign]
    try:
        number.fill("75")
        visitor.wait_text(f"{STATEMENTS[0].text} {STATEMENTS[1].text}")
        assert until(lambda: page.locator(SENTENCES).count() == 2)
        assert visitor.field("statistics") == statistics(visitor.text())
        assert visitor.field("mean-support") == "92 %"
        assert until(lambda: page.locator("#dropped summary").inner_text() == "已删去: 2 句")
        # what is chosen stays, as long as it is there
        assert pressed(visitor) == [STATEMENTS[0].text]
        assert page.locator(f"{OVERLAY} .box").count() == 1
        page.locator("#min-support input[type=range]").focus()
        page.keyboard.press("Home")
        visitor.wait_text(" ".join(statement.text for statement in STATEMENTS))
        assert page.locator("#dropped").inner_text() == "已删去: 0 句"
        page.keyboard.press("End")
        visitor.wait_text("")
        assert until(lambda: "请把滑块调低" in page.locator("#sentences").inner_text())
        assert visitor.field("statistics") == ""
        assert until(lambda: page.locator(OVERLAY).count() == 0)
        number.fill("")  # a field may be empty while somebody writes into it
        visitor.wait_text(" ".join(statement.text for statement in STATEMENTS))
        number.fill("500")
        visitor.wait_text("")
    finally:
        del served.gate.enter
    assert page.locator('[data-testid="toast-text"]').count() == 0
    assert (len(served.describer.options), tickets) == (1, [])
    visitor.press()  # the slider was no press, and begins anew
    visitor.wait_text(grounded().text)
    assert (visitor.field("seed"), number.input_value()) == ("1", "50")


def test_the_slider_of_a_real_description(served: Served, visit: Callable[..., Visitor]):
    ball = Sentence("a red ball in a field", "", 1, None, 0.97)
    box = Sentence("a small blue box", "", 2, (0.0, 0.0, 0.5, 1.0), 0.61)
    begun = with_min_support(grounded(statements=(ball, box)), 0.7)
    served.describer.grounded = begun
    visitor = visit(served.url)
    visitor.upload(grey(600, 200))
    visitor.page.get_by_label("可信细节").check()
    visitor.press()
    visitor.wait_text(begun.text)
    assert "box" not in visitor.text()
    visitor.page.locator("#min-support input[type=number]").fill("60")
    assert until(lambda: "ball" in visitor.text() and "blue box" in visitor.text(), 10), (
        visitor.text()
    )
    assert visitor.field("statistics") == statistics(visitor.text())
    visitor.page.locator(PARTS).last.click()
    lies_at(visitor, f"{OVERLAY} .box", lambda: expected(visitor, (600, 200), (0, 0, 0.5, 1)))


def test_a_fault_of_the_slider_is_told(
    explained: Callable[..., Visitor], monkeypatch: pytest.MonkeyPatch
):
    visitor = explained()
    monkeypatch.setattr("caption.web.tabs.describe.with_min_support", lambda *_: 1 / 0)
    visitor.page.locator("#min-support input[type=number]").fill("75")
    assert until(lambda: visitor.news() == messages.message(CaptionError("x", code="internal")))
    assert visitor.text() == grounded().text


def test_a_refusal_is_told_and_shows_nothing_else(explained: Callable[..., Visitor]):
    visitor = explained()
    page = visitor.page
    assert page.locator(SENTENCES).count() == 3
    with_nothing = explained(description=refused("noise", 0.034))
    with_nothing.wait_text(messages.refusal("noise", 0.034))
    assert with_nothing.field("statistics") == ""
    assert with_nothing.page.locator(SENTENCES).count() == 0
    for hidden in ("#min-support", "#sentences", "#mean-support", "#dropped"):
        assert unseen(with_nothing, hidden), hidden
    visitor.press()  # and on a page that showed a description before
    visitor.wait_text(messages.refusal("noise", 0.034))
    assert until(lambda: page.locator(SENTENCES).count() == 0)
    assert visitor.field("statistics") == ""
    assert unseen(visitor, "#min-support")


def test_another_text_takes_the_evidence_away(served: Served, explained: Callable[..., Visitor]):
    visitor = explained()
    page = visitor.page
    page.locator(SENTENCES).first.click()
    page.get_by_label("长度强制").check()
    served.describer.hold_at = 2
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(1, 0))  # as soon as there is some of it
    for hidden in ("#min-support", "#sentences", "#mean-support", "#dropped", OVERLAY):
        assert until(partial(unseen, visitor, hidden)), hidden
    served.describer.hold_at = None
    visitor.wait_text(FakeDescriber.text_of(3, 0))
    assert page.locator(SENTENCES).count() == 0


@pytest.mark.parametrize(
    ("name", "options"), [("desktop", {}), ("phone", PHONE), ("dark", {"color_scheme": "dark"})], ids=lambda value: str(value)[:7]
)  # fmt: skip
def test_evidence_fits(explained: Callable[..., Visitor], name: str, options: dict[str, Any]):
    visitor = explained((EXAMPLES / "chelsea.png").read_bytes(), **options)
    page = visitor.page
    ARTEFACTS.mkdir(exist_ok=True)
    size = Image.open(EXAMPLES / "chelsea.png").size
    page.locator(SENTENCES).nth(1).click()
    lies_at(visitor, f"{OVERLAY} .box", lambda: expected(visitor, size, (0, 0, 0.5, 1)))
    page.screenshot(path=ARTEFACTS / f"grounded-{name}-sentence.png")
    page.screenshot(path=ARTEFACTS / f"grounded-{name}-whole.png", full_page=True)
    page.get_by_role("button", name="ball 图片让这个词可能得多").click()
    page.wait_for_selector(f"{OVERLAY} canvas")
    page.screenshot(path=ARTEFACTS / f"grounded-{name}-word.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for element in page.locator(
        "#min-support, #sentences li, #sentences button, #mean-support, #dropped"
    ).all():
        box = element.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"] + 1
    for button in page.locator("#sentences button").all():
        assert button.bounding_box()["height"] >= 24
    if name == "dark":
        colour, ground = page.evaluate(
            "() => { const row = document.querySelector('#sentences li');"
            " return [getComputedStyle(row.querySelector('.sentence')).color, getComputedStyle(row).backgroundColor] }"
        )
        assert min(channels(colour)) - max(channels(ground)) > 100


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("desktop", {"viewport": {"width": 1366, "height": 768}}),
        ("phone", PHONE),
        ("dark", {"color_scheme": "dark"}),
    ],
    ids=lambda value: str(value)[:7],
)
def test_parts_fit(explained: Callable[..., Visitor], name: str, options: dict[str, Any]):
    visitor = explained((EXAMPLES / "chelsea.png").read_bytes(), description=told(), **options)
    page = visitor.page
    ARTEFACTS.mkdir(exist_ok=True)
    page.locator(PARTS).nth(3).click()
    size = Image.open(EXAMPLES / "chelsea.png").size
    lies_at(visitor, f"{OVERLAY} .box", lambda: expected(visitor, size, (0, 0, 0.5, 1)))
    page.screenshot(path=ARTEFACTS / f"parts-{name}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for element in page.locator("#sentences li, #sentences .part").filter(visible=True).all():
        box = element.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"] + 1
    for part in page.locator(PARTS).all():
        assert part.bounding_box()["height"] >= 24
    lines = page.locator(PARTS).evaluate_all(
        "parts => parts.map(part => getComputedStyle(part).textDecorationStyle)"
    )
    assert lines == ["solid", "solid", "dashed", "dashed", "dotted", "dotted"]
    chosen, peek = rect(visitor, f"{PARTS}[aria-pressed=true]"), rect(visitor, "#peek")
    assert peek[1] + peek[3] <= chosen[1] or chosen[1] + chosen[3] <= peek[1]  # it doesn't hide it


def test_where_the_picture_is_out_of_sight_a_copy_appears(explained: Callable[..., Visitor]):
    visitor = explained(**PHONE)
    page = visitor.page
    last = page.locator(SENTENCES).nth(1)
    last.scroll_into_view_if_needed()
    last.tap()
    copy = "#peek img"
    page.wait_for_selector(copy, state="visible")
    lies_at(
        visitor,
        "#peek .evidence-overlay .box",
        lambda: expected(visitor, (600, 200), (0, 0, 0.5, 1), copy, largest=100.0),
    )
    page.screenshot(path=ARTEFACTS / "grounded-phone-copy.png")
    peek, chosen = rect(visitor, "#peek"), rect(visitor, f"{SENTENCES}[aria-pressed=true]")
    # it doesn't hide what was chosen
    assert peek[1] + peek[3] <= chosen[1] or chosen[1] + chosen[3] <= peek[1]
    page.locator("#picture").scroll_into_view_if_needed()
    page.wait_for_selector(copy, state="hidden")
    last.scroll_into_view_if_needed()
    page.wait_for_selector(copy, state="visible")
    page.locator("#peek").get_by_text("关闭").tap()
    page.wait_for_selector(copy, state="hidden")
    assert pressed(visitor) == []


# --------------------------------------------------------------------------------------------- the API's documentation


def test_the_documentation_of_the_api_is_whole_and_comes_from_here_alone(
    served: Served, visit: Callable[..., Visitor]
):
    page = visit(served.url).page
    page.goto(f"{served.url}/docs")
    for path in (
        "/api/v1/describe",
        "/api/v1/describe/stream",
        "/api/v1/models",
        "/blip-analyze-image",
    ):
        page.locator(".opblock-summary-path", has_text=re.compile(rf"^\W*{path}\W*$")).wait_for()
    page.locator(".opblock-summary").first.click()
    page.get_by_text("Try it out").first.wait_for()
    page.screenshot(path=ARTEFACTS / "docs.png")


# --------------------------------------------------------------------------------------------- a real model


def test_the_demo_model_describes_a_drawn_scene(visit: Callable[..., Visitor], demo_describer):
    scenes = sorted(EXAMPLES.glob("scene-*.png"))
    if not scenes:
        pytest.skip("there is no drawn scene among the examples")
    with serving(demo_describer) as real:
        visitor = visit(real.url)
        visitor.page.locator("#examples button.gallery-item").first.click()
        visitor.page.wait_for_selector(PICTURE)
        visitor.page.get_by_label("简短").check()
        visitor.press()
        assert until(lambda: visitor.text() != "", 60)
        assert visitor.field("statistics") == statistics(visitor.text())
        visitor.page.screenshot(path=ARTEFACTS / "demo.png", full_page=True)


# --------------------------------------------------------------------------------------------- tabs


def test_paste_and_ctrl_enter_act_on_the_tab_that_is_shown(
    visit: Callable[..., Visitor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add_tab(tmp_path, monkeypatch)
    with serving(FakeDescriber()) as two_tabs:
        visitor = visit(two_tabs.url)
        page = visitor.page
        visitor.copy_picture(picture_bytes("red"))
        page.keyboard.press("Control+V")
        page.wait_for_selector(PICTURE)

        page.get_by_role("tab", name="Second").click()
        page.wait_for_selector("#second-picture [data-name]")
        assert not page.locator("#second-progress").is_visible()  # an empty note
        page.keyboard.press("Control+V")
        page.wait_for_selector("#second-picture img")
        page.keyboard.press("Control+Enter")
        assert until(lambda: visitor.field("second-result") == "got str")
        assert page.locator("#second-progress .note").inner_text() == "done"
        assert two_tabs.describer.images == []  # the hidden tab did nothing
        page.screenshot(path=ARTEFACTS / "tabs.png")

        page.get_by_role("tab", name=text("describe.tab")).click()
        page.keyboard.press("Control+Enter")
        visitor.wait_text(FakeDescriber.text_of(3, 0))
        assert len(two_tabs.describer.images) == 1


def test_evidence_is_drawn_on_the_tab_that_is_shown(
    visit: Callable[..., Visitor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add_tab(tmp_path, monkeypatch)
    with serving(FakeDescriber()) as two_tabs:
        two_tabs.describer.grounded = grounded()
        visitor = visit(two_tabs.url)
        page = visitor.page
        visitor.upload(grey(600, 200))
        visitor.press()
        visitor.wait_text(grounded().text)
        page.locator(SENTENCES).nth(1).click()
        page.wait_for_selector(f"{OVERLAY} .box")
        page.get_by_role("tab", name="Second").click()
        assert until(lambda: page.locator(OVERLAY).count() == 0)
        assert unseen(visitor, "#peek")
        page.get_by_role("tab", name=text("describe.tab")).click()
        page.locator(SENTENCES).nth(1).click()
        lies_at(visitor, f"{OVERLAY} .box", lambda: expected(visitor, (600, 200), (0, 0, 0.5, 1)))
