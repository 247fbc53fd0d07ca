"""What the page says and looks like, as plain values and pure functions: strings, style, script,
pieces of HTML.
"""

from __future__ import annotations

import html
import json

from caption.locale import phrases
from caption.types import Progress

TITLE = "BLIP超详细图片描述生成器"

DETAIL_CHOICES = [("超高详细 (推荐)", "high"), ("中等详细", "medium"), ("基础详细", "low")]
STRATEGY_CHOICES = [("可信细节", "grounded"), ("长度强制", "forced"), ("简短", "plain")]
DEFAULT_STRATEGY = "grounded"  # of the page and of the endpoint
DESCRIPTION_GONE = "这段描述已经不在服务器上了，请重新生成。"
NOTES = """**技术说明**

- **可信细节**: 看整张图片和它的各个局部，写出许多短句，追问找到的东西，逐句与图片核对，只留下图片支持的内容，并给出每句的支持度
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
#sentences:not(:has(.evidence)), #dropped:not(:has(.dropped)) { display: none; }
.evidence { color: var(--body-text-color); line-height: 1.5; }
.evidence .help { margin: 0 0 8px; font-size: 13px; }
.evidence ol { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: 8px; }
.evidence li { margin: 0; padding: 8px 10px; border: 1px solid var(--border-color-primary); border-radius: 8px;
  background: var(--block-background-fill); }
.evidence button { font: inherit; color: inherit; cursor: pointer; overflow-wrap: anywhere; border: 2px solid transparent;
  border-radius: 6px; background: none; margin: 0 !important; }
.evidence .sentence { display: block; width: 100%; padding: 4px 6px; text-align: left; font-weight: 600; }
.evidence .word { min-height: 32px; padding: 2px 10px; border: 2px solid var(--border-color-primary); font-size: 14px; }
.evidence .words { display: flex; flex-wrap: wrap; gap: 6px; margin: 6px 0 0 6px; }
.evidence button:hover { border-color: var(--color-accent); }
.evidence button[aria-pressed="true"] { border-color: var(--body-text-color); text-decoration: underline; text-underline-offset: 3px; }
.evidence button[aria-pressed="true"]::before { content: "◉ "; }
.evidence .support { display: flex; align-items: center; gap: 8px; margin: 2px 6px; font-size: 14px; }
.evidence .bar { flex: 0 1 160px; height: 8px; border-radius: 4px; overflow: hidden; background: var(--border-color-primary); }
.evidence .bar > span { display: block; height: 100%; background: var(--color-accent); }
.evidence .origin { margin: 0 6px; font-size: 13px; overflow-wrap: anywhere; }
.evidence .said { margin: 8px 0 0; min-height: 1.5em; font-size: 14px; }
.dropped { color: var(--body-text-color); overflow-wrap: anywhere; }
.dropped summary { cursor: pointer; }
.dropped ul { margin: 4px 0 0; padding-left: 20px; list-style: disc; }
.evidence-overlay { position: absolute; z-index: 5; pointer-events: none; }
.evidence-overlay canvas, .evidence-overlay svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.evidence-overlay path { fill: none; stroke: #fff; stroke-width: 2px; vector-effect: non-scaling-stroke; }
.evidence-overlay path:first-child { stroke: #000; stroke-width: 5px; }
.evidence-overlay .box { position: absolute; box-sizing: border-box; border: 3px solid #fff; outline: 2px solid #000; outline-offset: -5px;
  box-shadow: 0 0 0 2px #000; }
.evidence-overlay .label { position: absolute; width: max-content; padding: 1px 8px; border-radius: 4px; background: #000; color: #fff;
  font-size: 13px; line-height: 1.5; overflow-wrap: anywhere; }
#peek { position: fixed; z-index: 50; right: 12px; bottom: 12px; width: min(380px, calc(100vw - 24px)); padding: 8px; border-radius: 8px;
  border: 2px solid var(--body-text-color); background: var(--body-background-fill); box-shadow: 0 4px 16px rgb(0 0 0 / 40%); }
#peek.above { top: 12px; bottom: auto; }
#peek[hidden] { display: none; }
#peek img { display: block; width: 100%; max-height: 30vh; object-fit: contain; }
#peek button { display: block; width: 100%; min-height: 32px; margin-top: 6px; border-radius: 6px; color: var(--body-text-color);
  border: 1px solid var(--border-color-primary); background: var(--block-background-fill); cursor: pointer; }
:focus-visible { outline: 3px solid var(--color-accent) !important; outline-offset: 2px; }
@media (max-width: 480px) { h1 { font-size: 1.3rem !important; } }
"""

# Names for Gradio's icon buttons, which have none that can be seen, and for fields that it names in
# English.
_BUTTON_NAMES = {
    '#picture [data-testid="source-select"] button:first-child': "上传",
    '#picture [data-testid="source-select"] button:last-child': "粘贴",
    '#picture button[aria-label="Remove Image"]': "移除",
    '#description button[aria-label="Copy"]': "复制",
}
_FIELD_NAMES = {
    '#min-support input[type="range"]': "最低支持度（百分比）",
    '#min-support input[type="number"]': "最低支持度（百分比），数字",
}

# Where a sentence or a word comes from, drawn over the picture. The rows of `evidence_html` carry
# it as JSON: nothing is asked of the server. Gradio changes the rows' HTML in place, so what is
# chosen is known by its JSON, never by its element; and where the picture has scrolled away, as on
# a phone, a small copy of it appears beside the rows.
_EVIDENCE_JS = """
  const shownPicture = () => picture()?.querySelector("img");
  const make = (tag, className) => Object.assign(document.createElement(tag), { className });
  let chosen = null, drawnFor = null, drawnOn = null;

  // The picture's own rectangle within its <img>, whose rest is empty.
  const drawnRect = (img) => {
    const frame = img.getBoundingClientRect();
    const [across, down] = [frame.width / img.naturalWidth, frame.height / img.naturalHeight];
    const fit = getComputedStyle(img).objectFit;
    const scale = Math.min(across, down, fit === "scale-down" ? 1 : Infinity);
    const [width, height] = [img.naturalWidth * scale, img.naturalHeight * scale];
    return { frame, width, height, left: frame.left + (frame.width - width) / 2, top: frame.top + (frame.height - height) / 2 };
  };

  // Dark where the model didn't look, a warm tint where it did, and a line around the half that it looked at most.
  const heatMap = (heat) => {
    const canvas = make("canvas", "heat"), [rows, columns] = [heat.length, heat[0].length];
    Object.assign(canvas, { width: columns, height: rows });
    const context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
    heat.flat().forEach((value, i) => pixels.data.set([value, value * 0.55, 0, 170 - value * 0.35], 4 * i));
    context.putImageData(pixels, 0, 0);
    const hot = (x, y) => (heat[y]?.[x] ?? 0) >= 128;
    let line = "";
    for (let y = 0; y <= rows; y++)
      for (let x = 0; x <= columns; x++) {
        if (hot(x, y) !== hot(x, y - 1)) line += `M${x} ${y}h1`;
        if (hot(x, y) !== hot(x - 1, y)) line += `M${x} ${y}v1`;
      }
    const outline = make("div", "");
    outline.innerHTML = `<svg viewBox="0 0 ${columns} ${rows}" preserveAspectRatio="none"><path d="${line}"/><path d="${line}"/></svg>`;
    return [canvas, outline.firstChild];
  };

  const paint = (img, { box, heat, label }) => {
    if (!img.naturalWidth || !img.offsetParent) return;
    const { frame, left, top, width, height } = drawnRect(img), ground = img.offsetParent.getBoundingClientRect();
    const overlay = make("div", "evidence-overlay"), words = make("div", "label");
    overlay.setAttribute("aria-hidden", "true");
    const place = (one, values) => Object.entries(values).forEach(([side, value]) => one.style[side] = value + "px");
    place(overlay, {
      left: left - ground.left - img.offsetParent.clientLeft, top: top - ground.top - img.offsetParent.clientTop, width, height,
    });
    const [x0, y0, x1, y1] = box ?? [0, 0, 1, 1];
    if (heat.length) overlay.append(...heatMap(heat));
    if (box) {
      const outline = make("div", "box");
      place(outline, { left: x0 * width, top: y0 * height, width: (x1 - x0) * width, height: (y1 - y0) * height });
      overlay.append(outline);
    }
    words.textContent = label;
    words.style.maxWidth = frame.width + "px";
    overlay.append(words);
    img.offsetParent.append(overlay);
    // below what it names where there is room, else at its lower edge, and within the frame in any case
    const { width: wide, height: high } = words.getBoundingClientRect();
    const below = top + y1 * height, within = (value, low, high) => Math.max(low, Math.min(value, high));
    place(words, {
      left: within(left + x0 * width, frame.left, frame.right - wide) - left,
      top: (below + high <= frame.bottom ? below : Math.max(frame.top, below - high)) - top,
    });
  };

  const peek = make("div", ""), copy = make("img", ""), close = make("button", "");
  Object.assign(peek, { id: "peek", hidden: true });
  Object.assign(copy, { alt: "图片" });
  Object.assign(close, { type: "button", textContent: "关闭" });
  peek.append(copy, close);
  (document.querySelector(".gradio-container") ?? document.body).append(peek);

  const draw = () => {
    document.querySelectorAll(".evidence-overlay").forEach((one) => one.remove());
    if (drawnOn?.isConnected) for (const img of peek.hidden ? [drawnOn] : [drawnOn, copy]) paint(img, JSON.parse(drawnFor));
  };
  const sight = new IntersectionObserver((entries) => {
    peek.hidden = entries.at(-1).intersectionRatio >= 0.6;
    draw();
  }, { threshold: 0.6 });
  const size = new ResizeObserver(draw);

  // Bring the page in line with what is chosen; called after every change of it, so it changes nothing without need.
  const sync = () => {
    const buttons = [...document.querySelectorAll("[data-evidence]")];
    const button = buttons.find((one) => one.dataset.evidence === chosen);
    if (!button) chosen = null;
    for (const one of buttons) {
      const pressed = String(one === button);
      if (one.getAttribute("aria-pressed") !== pressed) one.setAttribute("aria-pressed", pressed);
    }
    const mark = document.querySelector(".evidence")?.dataset.picture, img = shownPicture();
    const known = button && mark && img?.src.includes(mark);
    const said = document.querySelector(".evidence .said");
    const words = !button ? "" : known ? JSON.parse(chosen).label : "图片已经更换，无法在图上标出。";
    if (said && said.textContent !== words) said.textContent = words;
    const [what, where] = known ? [chosen, img] : [null, null];
    if (what === drawnFor && where === drawnOn && (!where || document.querySelector(".evidence-overlay"))) return;
    [drawnFor, drawnOn] = [what, where];
    sight.disconnect();
    size.disconnect();
    if (where) {
      if (copy.src !== where.src) copy.src = where.src;
      peek.classList.toggle("above", button.getBoundingClientRect().top > innerHeight / 2);
      sight.observe(where);
      size.observe(where);
      size.observe(copy);
    } else peek.hidden = true;
    draw();
  };
  const choose = (value) => { chosen = value; sync(); };
  new MutationObserver(sync).observe(document.body, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-evidence", "data-picture", "aria-pressed", "src"],
  });
  document.addEventListener("load", (event) => [drawnOn, copy].includes(event.target) && draw(), true);

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-evidence]");
    if (button) choose(button.dataset.evidence === chosen ? null : button.dataset.evidence);
    if (event.target === close) choose(null);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chosen) return choose(null);
    const row = event.target.closest?.(".evidence li");
    const [across, by] = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 1], ArrowLeft: [1, -1] }[event.key] ?? [0, 0];
    if (!row || !by) return;
    event.preventDefault();
    const line = across ? [...row.querySelectorAll("[data-evidence]")] : [...row.parentElement.children];
    const next = line[line.indexOf(across ? event.target : row) + by];
    (across ? next : next?.querySelector(".sentence"))?.focus();
  });
"""

# What Gradio lacks: Ctrl+V anywhere, Ctrl+Enter, files refused before they travel, names on icon
# buttons, and copying over plain http, where browsers hide the clipboard. `refuse` hands a code to
# the server, which knows the sentence.
_PAGE_JS = """() => {
  const MAX_BYTES = $MAX_BYTES, NAMES = $NAMES, FIELDS = $FIELDS, EXAMPLES = $EXAMPLES;
  const picture = () => document.querySelector("#picture");
  const fileInput = () => picture()?.querySelector('input[type="file"]');
  const refuse = (code) => { window.blipRefusal = code; document.querySelector("#refuse").click(); };
  const fault = (file) => file.size > MAX_BYTES ? "too_large"
    : file.type && !file.type.startsWith("image/") ? "unsupported_format" : null;
  document.documentElement.lang = "zh-CN";
  const halt = (event) => { event.preventDefault(); event.stopImmediatePropagation(); };
$EVIDENCE

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
    for (const [selector, text] of Object.entries(FIELDS)) document.querySelector(selector)?.setAttribute("aria-label", text);
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
    """The script that runs when the page has loaded. `max_bytes`: the largest picture that may be
    sent.
    """
    values = {
        "$MAX_BYTES": max_bytes,
        "$NAMES": _BUTTON_NAMES,
        "$FIELDS": _FIELD_NAMES,
        "$EXAMPLES": example_labels,
    }
    script = _PAGE_JS.replace("$EVIDENCE", _EVIDENCE_JS)
    for mark, value in values.items():
        script = script.replace(mark, json.dumps(value, ensure_ascii=False))
    return script


def progress_html(step: Progress | int) -> str:
    """The progress bar, or the place in line."""
    if isinstance(step, int):
        percent, words = 0, f"排队第 {step} 位"
    else:
        percent, words = round(step.fraction * 100), phrases.stage(step)
    return (
        f'<div class="track" role="progressbar" aria-label="进度" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}" aria-valuetext="{words}"><div class="fill" style="width:{percent}%"></div></div>'
        f'<div class="stage" role="status">{words}（{percent}%）</div>'
    )


def note_html(text: str) -> str:
    return f'<div id="note" role="status">{html.escape(text)}</div>'
