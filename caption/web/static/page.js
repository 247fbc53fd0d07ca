// What Gradio's page lacks: Ctrl+V anywhere, Ctrl+Enter, files refused before they are uploaded,
// names on icon buttons, and copying over plain http, where browsers hide the clipboard.
//
// Runs once, in a function of its own, when the page has loaded. What the server knows comes as JSON
// in #blip-values (see caption/web/assets.py). Tabs mark their parts by classes: .tab-picture (the
// picture input), .tab-run (the main button), .tab-result (what that button fills). Listeners act on
// the parts of the tab that is shown.

const values = JSON.parse(document.getElementById("blip-values").textContent);
const texts = values.texts;

// The first element that is displayed: parts of hidden tabs have no offset parent.
const findVisible = (selector) =>
  [...document.querySelectorAll(selector)].find((element) => element.offsetParent !== null);

// For evidence.js; `refusal` is read by the hidden button #refuse.
window.blip = { findVisible, texts, refusal: null };
document.documentElement.lang = values.language;

const suppress = (event) => {
  event.preventDefault();
  event.stopImmediatePropagation();
};

// The server knows the sentence of a code and shows it as a toast.
const refuse = (code) => {
  window.blip.refusal = code;
  document.querySelector("#refuse").click();
};

const refusalCode = (file) => {
  if (file.size > values.maxBytes) return "too_large";
  return file.type && !file.type.startsWith("image/") ? "unsupported_format" : null;
};

const putPicture = (picture, file) => {
  const code = refusalCode(file);
  if (code) {
    refuse(code);
    return;
  }
  const transfer = new DataTransfer();
  transfer.items.add(file);
  const input = picture.querySelector('input[type="file"]');
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
};

const takesText = (target) => {
  const field = target.closest?.("input, textarea, [contenteditable=true]");
  if (!field || field.disabled || field.readOnly) return false;
  return !["radio", "checkbox"].includes(field.type);
};

// Gradio listens to Ctrl+V nowhere.
document.addEventListener(
  "paste",
  (event) => {
    const clipboard = event.clipboardData;
    const file = [...(clipboard?.files ?? [])].find((item) => item.type.startsWith("image/"));
    const picture = findVisible(".tab-picture");
    if (!file || !picture) return;
    if (takesText(event.target) && clipboard.types.includes("text/plain")) return;
    suppress(event);
    putPicture(picture, file);
  },
  true,
);

// Gradio's own clipboard button takes the file input away, and click, drop and Ctrl+V with it.
const PASTE_BUTTON = '.tab-picture [data-testid="source-select"] button:last-child';

const readPicture = async () => {
  let items = [];
  try {
    items = await navigator.clipboard.read();
  } catch {
    return { code: "clipboard_denied" };
  }
  for (const item of items) {
    const type = item.types.find((name) => name.startsWith("image/"));
    if (!type) continue;
    const extension = type.slice("image/".length);
    return { file: new File([await item.getType(type)], `clipboard.${extension}`, { type }) };
  }
  return { code: "clipboard_empty" };
};

document.addEventListener(
  "click",
  async (event) => {
    const button = event.target.closest?.(PASTE_BUTTON);
    if (!button) return;
    suppress(event);
    const picture = button.closest(".tab-picture");
    const { file, code } = await readPicture();
    if (code) refuse(code);
    else putPicture(picture, file);
  },
  true,
);

// Files that would be refused by the server don't travel.
const checkFile = (event) => {
  if (!event.target.closest?.(".tab-picture")) return;
  const file = (event.dataTransfer ?? event.target).files?.[0];
  const code = file && refusalCode(file);
  if (!code) return;
  suppress(event);
  if (event.type === "change") event.target.value = "";
  refuse(code);
};
document.addEventListener("change", checkFile, true);
document.addEventListener("drop", checkFile, true);

document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const button = findVisible(".tab-run");
    if (!button) return;
    suppress(event);
    button.click();
  },
  true,
);

// On a phone the result lies below the fold.
document.addEventListener("click", (event) => {
  if (!event.target.closest?.(".tab-run")) return;
  const result = findVisible(".tab-result");
  if (result?.getBoundingClientRect().top > innerHeight) result.scrollIntoView({ block: "center" });
});

// Gradio's icon buttons show no name, some have none, and fields have English ones.
const BUTTON_NAMES = [
  ['.tab-picture [data-testid="source-select"] button:first-child', texts.upload],
  [PASTE_BUTTON, texts.paste],
  ['.tab-picture button[aria-label="Remove Image"]', texts.remove],
  ['.tab-result button[aria-label="Copy"]', texts.copy],
];
const FIELD_NAMES = [
  ['.percent-input input[type="range"]', texts.percent],
  ['.percent-input input[type="number"]', texts.percent_number],
];

const nameButton = (button, name) => {
  if (button.dataset.name === name) return;
  button.dataset.name = name; // page.css shows it
  button.setAttribute("aria-label", name);
  button.title = name;
};

const nameExample = (button) => {
  const file = button.querySelector("img")?.src.split("/").pop();
  const name = values.exampleNames[file];
  if (name) nameButton(button, name);
};

const nameField = (field, suffix) => {
  const block = field.closest(".percent-input");
  const label = block.querySelector('[data-testid="block-info"]').textContent.trim();
  field.setAttribute("aria-label", label + suffix);
};

const nameToast = (title) => {
  for (const part of title.childNodes)
    if (part.nodeValue?.trim() === "Error") part.nodeValue = texts.error;
};

// Called after every change of the page, so it changes nothing without need.
const nameAll = () => {
  const each = (selector, action) => document.querySelectorAll(selector).forEach(action);
  for (const [selector, name] of BUTTON_NAMES) each(selector, (button) => nameButton(button, name));
  for (const [selector, suffix] of FIELD_NAMES) each(selector, (field) => nameField(field, suffix));
  each("button.gallery-item", nameExample);
  each(".toast-title", nameToast);
};
new MutationObserver(nameAll).observe(document.body, { childList: true, subtree: true });
nameAll();

// Over plain http there is no clipboard object; Gradio's copy button calls writeText.
if (!navigator.clipboard) {
  const writeText = async (text) => {
    const focused = document.activeElement;
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    focused?.focus();
  };
  const read = async () => {
    throw new Error("no clipboard over plain http");
  };
  Object.defineProperty(navigator, "clipboard", { value: { writeText, read } });
}
