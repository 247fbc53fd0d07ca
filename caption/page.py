"""What the page says and looks like, as plain values and pure functions: strings, style, script, pieces of HTML."""

from __future__ import annotations

import html
import json

from caption.registry import MODELS
from caption.types import CaptionStats, Progress

TITLE = "BLIP超详细图片描述生成器"

DETAIL_CHOICES = [("超高详细 (推荐)", "high"), ("中等详细", "medium"), ("基础详细", "low")]
STRATEGY_CHOICES = [("长度强制", "forced"), ("简短", "plain")]
DEMO_LINE = "演示模型只认识绘制的场景，对照片的描述不可信。"
NOTES = """**技术说明**

- **多提示词生成**: 同一张图片用四种提示词各生成一次，取最长的一段作为主干，再并入其余的新内容
- **长度强制**: 用较大的束宽、长度惩罚和重复惩罚，让模型写得更长而不重复
- **多轮迭代**: 把已有的描述交还给模型，请它继续补充细节，最多三轮
- **后处理扩展**: 描述仍然太短时，用专门的提示再扩展一次
- **智能清理**: 去掉提示词的残留、重复的词和多余的标点

**推荐设置**: 启用"超高详细"和"多轮生成"获得最佳效果"""

CSS = """
.gradio-container { max-width: 1280px !important; margin: 0 auto !important; }
#banner, #demo-line { padding: 8px 12px; border-radius: 8px; border: 1px solid var(--border-color-primary);
  background: var(--block-background-fill); color: var(--body-text-color); line-height: 1.6; overflow-wrap: anywhere; }
#demo-line { border-color: #d97706; }
#progress:has(#note:empty) { display: none; }
#progress .track { height: 10px; border-radius: 5px; overflow: hidden; background: var(--border-color-primary); }
#progress .fill { height: 100%; background: var(--color-accent); transition: width .2s; }
#progress .stage, #note { margin-top: 4px; color: var(--body-text-color); }
[data-name] { width: auto !important; height: auto !important; }
[data-name] > svg { width: 18px; height: 18px; }
[data-name]::after { content: attr(data-name); font-size: 12px; color: var(--body-text-color); white-space: nowrap; }
#picture [data-testid="source-select"] [data-name] { display: inline-flex; align-items: center; gap: 4px; }
#examples button[data-name] { display: inline-flex; flex-direction: column; align-items: center; padding: 4px; }
:focus-visible { outline: 3px solid var(--color-accent) !important; outline-offset: 2px; }
@media (max-width: 480px) { h1 { font-size: 1.3rem !important; } }
"""

# Names for Gradio's icon buttons, which have none that can be seen.
_BUTTON_NAMES = {
    '#picture [data-testid="source-select"] button:first-child': "上传",
    '#picture [data-testid="source-select"] button:last-child': "粘贴",
    '#picture button[aria-label="Remove Image"]': "移除",
    '#description button[aria-label="Copy"]': "复制",
}

# What Gradio lacks: Ctrl+V anywhere, Ctrl+Enter, files refused before they travel, names on icon buttons, and copying
# over plain http, where browsers hide the clipboard. `refuse` hands a code to the server, which knows the sentence.
_PAGE_JS = """() => {
  const MAX_BYTES = $MAX_BYTES, NAMES = $NAMES, EXAMPLES = $EXAMPLES;
  const picture = () => document.querySelector("#picture");
  const fileInput = () => picture()?.querySelector('input[type="file"]');
  const refuse = (code) => { window.blipRefusal = code; document.querySelector("#refuse").click(); };
  const fault = (file) => file.size > MAX_BYTES ? "too_large"
    : file.type && !file.type.startsWith("image/") ? "unsupported_format" : null;
  document.documentElement.lang = "zh-CN";
  const halt = (event) => { event.preventDefault(); event.stopImmediatePropagation(); };

  const give = (file) => {
    const code = fault(file);
    if (code) return refuse(code);
    const carrier = new DataTransfer();
    carrier.items.add(file);
    fileInput().files = carrier.files;
    fileInput().dispatchEvent(new Event("change", { bubbles: true }));
  };

  document.addEventListener("paste", (event) => {
    const data = event.clipboardData;
    const file = [...(data?.files ?? [])].find((one) => one.type.startsWith("image/"));
    const field = event.target.closest?.("input, textarea, [contenteditable=true]");
    const isText = field && !field.disabled && !field.readOnly && !["radio", "checkbox"].includes(field.type);
    if (!file || (isText && data.types.includes("text/plain"))) return;
    halt(event);
    give(file);
  }, true);

  // Gradio's own handler takes the file input away, and click, drop and Ctrl+V with it.
  document.addEventListener("click", async (event) => {
    if (!event.target.closest?.('#picture [data-testid="source-select"] button:last-child')) return;
    halt(event);
    let items = [];
    try { items = await navigator.clipboard.read(); } catch (error) { return refuse("clipboard_denied"); }
    for (const item of items) {
      const type = item.types.find((one) => one.startsWith("image/"));
      if (type) return give(new File([await item.getType(type)], "clipboard." + type.slice(6), { type }));
    }
    refuse("clipboard_empty");
  }, true);

  // On a phone the result lies below the fold.
  document.addEventListener("click", (event) => {
    const description = document.querySelector("#description");
    if (event.target.closest?.("#run") && description.getBoundingClientRect().top > innerHeight)
      description.scrollIntoView({ block: "center" });
  });

  const check = (event) => {
    if (!picture()?.contains(event.target)) return;
    const file = (event.dataTransfer ?? event.target).files?.[0];
    const code = file && fault(file);
    if (!code) return;
    halt(event);
    if (event.type === "change") event.target.value = "";
    refuse(code);
  };
  document.addEventListener("change", check, true);
  document.addEventListener("drop", check, true);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    halt(event);
    document.querySelector("#run").click();
  }, true);

  const nameAll = () => {
    const name = (button, text) => {
      if (button.dataset.name === text) return;
      button.dataset.name = text;
      button.setAttribute("aria-label", text);
      button.title = text;
    };
    for (const [selector, text] of Object.entries(NAMES))
      document.querySelectorAll(selector).forEach((button) => name(button, text));
    document.querySelectorAll("#examples button.gallery-item")
      .forEach((button, i) => EXAMPLES[i] && name(button, EXAMPLES[i]));
    for (const title of document.querySelectorAll(".toast-title"))  // Gradio shows no other title for errors
      for (const part of title.childNodes) if (part.nodeValue?.trim() === "Error") part.nodeValue = "出错了 ";
  };
  new MutationObserver(nameAll).observe(document.body, { childList: true, subtree: true });
  nameAll();

  if (!navigator.clipboard) {
    const writeText = async (text) => {
      const before = document.activeElement;
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      before?.focus();
    };
    const read = async () => { throw new Error("no clipboard over plain http"); };
    Object.defineProperty(navigator, "clipboard", { value: { writeText, read } });
  }
}"""

# What the page's script refuses, beside the codes of `caption.errors`.
PAGE_REFUSALS = {
    "clipboard_denied": "浏览器不允许读取剪贴板，请直接按 Ctrl+V 粘贴图片。",
    "clipboard_empty": "剪贴板里没有图片，请先复制一张图片。",
}


def page_js(max_bytes: int, example_labels: list[str]) -> str:
    """The script that runs when the page has loaded. `max_bytes`: the largest picture that may be sent."""
    values = {"$MAX_BYTES": max_bytes, "$NAMES": _BUTTON_NAMES, "$EXAMPLES": example_labels}
    script = _PAGE_JS
    for mark, value in values.items():
        script = script.replace(mark, json.dumps(value, ensure_ascii=False))
    return script


def statistics(stats: CaptionStats) -> str:
    return f"字符数: {stats.characters}, 词数: {stats.words}" if stats.characters else ""


def stage_zh(step: Progress) -> str:
    """The stage in words, with its step count."""
    stage = {
        "encoding": "编码图片",
        "prompts": "多提示词生成",
        "extension": "扩展",
        "enhancement": f"第 {step.round}/{step.rounds} 轮增强",
    }[step.stage]
    return f"{stage}：第 {step.step}/{step.steps} 步" if step.steps else f"{stage}…"


def progress_html(step: Progress | int) -> str:
    """The progress bar, or the place in line."""
    if isinstance(step, int):
        percent, words = 0, f"排队第 {step} 位"
    else:
        percent, words = round(step.fraction * 100), stage_zh(step)
    return (
        f'<div class="track" role="progressbar" aria-label="进度" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}" aria-valuetext="{words}"><div class="fill" style="width:{percent}%"></div></div>'
        f'<div class="stage" role="status">{words}（{percent}%）</div>'
    )


def note_html(text: str) -> str:
    return f'<div id="note" role="status">{html.escape(text)}</div>'


def model_title(name: str) -> str:
    return MODELS[name].title if name in MODELS else name
