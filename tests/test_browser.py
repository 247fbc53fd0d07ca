"""The page in a real browser: every way a picture gets in, every button, every toast. Screenshots go to tests/artefacts/."""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_tools import EXAMPLES, FakeDescriber, Served, bad_files, picture_bytes, serving, until

from caption.errors import CaptionError
from caption.messages import message_zh
from caption.page import PAGE_REFUSALS, TITLE
from caption.text import caption_stats

pytestmark = pytest.mark.browser

ARTEFACTS = Path(__file__).resolve().parent / "artefacts"
PICTURE = "#picture img"
NEWS = "#note, #progress .stage"
INSECURE_HOST = "blip.test"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    missing = "there is no chromium on this machine" if executable is None else ""
    try:
        from playwright import sync_api
    except ImportError:
        missing = "Playwright for Python is not installed"
    if missing:  # where nobody looks, a check that silently didn't run is worse than a failure
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def app() -> Iterator[Served]:
    with serving(FakeDescriber(), host="0.0.0.0") as served:
        yield served


@pytest.fixture
def served(app: Served) -> Iterator[Served]:
    app.describer.hold_at = app.describer.fault = None
    app.describer.options.clear()
    app.describer.images.clear()
    yield app
    app.describer.hold_at = None
    assert app.gate.wait_idle(10)


class Visitor:
    """A page, and what a person does with it."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def upload(self, content: bytes, name: str = "picture.png", kind: str = "image/png") -> None:
        before = self.source()
        self.page.set_input_files("#picture input[type=file]", {"name": name, "mimeType": kind, "buffer": content})
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
        page.on("request", lambda request: outside.append(request.url) if is_outside(request.url) else None)
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
    return not re.match(rf"(data|blob):|http://(127\.0\.0\.1|localhost|{re.escape(INSECURE_HOST)})[:/]", url)


def statistics(text: str) -> str:
    stats = caption_stats(text)
    return f"字符数: {stats.characters}, 词数: {stats.words}"


# --------------------------------------------------------------------------------------------- what it looks like


def test_the_page_says_what_it_should(served: Served, visit: Callable[..., Visitor]):
    page = visit(served.url).page
    assert page.title() == TITLE == "BLIP超详细图片描述生成器"
    assert page.locator("h1").inner_text() == "🖼️ BLIP超详细图片描述生成器"
    for text in (
        "上传图片", "详细程度设置", "详细程度", "选择描述的详细程度", "超高详细 (推荐)", "中等详细", "基础详细",
        "启用多轮生成 (显著增加描述长度)", "策略", "长度强制", "简短", "🚀 生成超详细描述", "停止", "技术说明", "多提示词生成",
        "多轮迭代", "后处理扩展", "智能清理", "生成的超详细描述", "统计信息", "描述长度", "随机种子",
        "演示模型只认识绘制的场景，对照片的描述不可信。",
    ):  # fmt: skip
        assert page.get_by_text(text, exact=True).filter(visible=True).count() >= 1, text
    assert page.locator("#notes").inner_text().endswith('推荐设置: 启用"超高详细"和"多轮生成"获得最佳效果')
    assert page.locator("#description textarea").get_attribute("placeholder") == "这里将显示非常详细的图片描述..."
    assert (
        page.locator("#statistics textarea, #statistics input").get_attribute("placeholder")
        == "字符数和词数将在这里显示..."
    )
    assert page.get_by_label("超高详细 (推荐)").is_checked()
    assert page.get_by_label("长度强制").is_checked()
    assert page.get_by_label("启用多轮生成 (显著增加描述长度)").is_checked()
    line, text_box = page.locator("#demo-line").bounding_box(), page.locator("#description").bounding_box()
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
        ("phone", {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}),
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
    for one in page.locator("#run, #stop, #picture, #description, #banner, #demo-line, #examples").all():
        box = one.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"] + 1
    if name == "phone":  # the result comes into view by itself
        assert until(
            lambda: page.evaluate("document.querySelector('#description').getBoundingClientRect().top < innerHeight")
        )
    if name == "dark":
        colours = page.evaluate(
            "['#description textarea', '#banner'].map((one) => {"
            "  const style = getComputedStyle(document.querySelector(one)); return [style.color, style.backgroundColor] })"
        )
        for colour, ground in colours:
            assert min(channels(colour)) - max(channels(ground)) > 100


def channels(colour: str) -> list[float]:
    return [float(one) for one in re.findall(r"[\d.]+", colour)[:3]]


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


def drop(visitor: Visitor, content: bytes, name: str = "dropped.png", kind: str = "image/png") -> None:
    carrier = visitor.page.evaluate_handle(
        """([content, name, type]) => {
          const carrier = new DataTransfer();
          const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
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
        helper, visitor = visitor, visit(f"http://{INSECURE_HOST}:{served.port}", context=visitor.page.context)
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


def test_after_the_clipboard_button_everything_else_still_works(served: Served, visit: Callable[..., Visitor]):
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
    assert visitor.toast() == PAGE_REFUSALS["clipboard_empty"]
    insecure = visit(f"http://{INSECURE_HOST}:{served.port}")
    insecure.page.get_by_label("粘贴", exact=True).click()
    assert insecure.toast() == PAGE_REFUSALS["clipboard_denied"]


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
    assert visitor.toast() == message_zh(CaptionError("x", code="image_invalid"))


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
    assert [(one.detail, one.multi_round, one.strategy) for one in chosen] == [
        ("medium", True, "forced"), ("medium", False, "plain"),
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
                "() => { const one = document.activeElement; const label = one.labels?.[0]?.innerText;"
                " return (one.getAttribute('aria-label') || label || one.innerText || '').trim() }"
            )
        )
    wanted = {
        "上传",
        "粘贴",
        "移除",
        "超高详细 (推荐)",
        "长度强制",
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
    assert visitor.toast() == message_zh(CaptionError("x", code="no_image"))


@pytest.mark.parametrize("code", ["image_invalid", "image_truncated", "too_many_pixels", "unsupported_format"])
def test_bad_pictures_keep_the_last_description(
    served: Served, visit: Callable[..., Visitor], tmp_path: Path, code: str
):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 0))
    path = bad_files(tmp_path)[code]
    visitor.upload(path.read_bytes(), path.name, "image/svg+xml" if path.suffix == ".svg" else "image/png")
    visitor.press()
    assert visitor.toast() == message_zh(CaptionError("x", code=code))
    assert visitor.text() == FakeDescriber.text_of(3, 0)
    assert visitor.field("statistics") == statistics(visitor.text())
    assert until(lambda: visitor.page.locator("#stop").is_disabled())


@pytest.mark.parametrize(
    ("name", "kind", "size", "code"),
    [("huge.png", "image/png", 20 * 2**20 + 1, "too_large"), ("notes.txt", "text/plain", 10, "unsupported_format")],
)
def test_files_that_never_travel(
    served: Served, visit: Callable[..., Visitor], name: str, kind: str, size: int, code: str
):
    visitor = visit(served.url)
    visitor.page.set_input_files("#picture input[type=file]", {"name": name, "mimeType": kind, "buffer": bytes(size)})
    assert visitor.toast() == message_zh(CaptionError("x", code=code))
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
def test_faults_are_toasts(served: Served, visit: Callable[..., Visitor], fault: Exception, code: str):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    served.describer.fault = fault
    visitor.press()
    assert visitor.toast() == message_zh(CaptionError("x", code=code))
    assert visitor.text() == ""
    assert until(lambda: visitor.news() == "")


def test_a_full_line_is_a_toast(served: Served, visit: Callable[..., Visitor]):
    visitor = visit(served.url)
    visitor.upload(picture_bytes())
    tickets = [served.gate.enter() for _ in range(served.gate.max_running + served.gate.max_waiting)]
    visitor.press()
    assert visitor.toast() == message_zh(CaptionError("x", code="queue_full"))
    for ticket in tickets:
        ticket.leave()
    visitor.press()
    visitor.wait_text(FakeDescriber.text_of(3, 0))


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
