// Where a sentence, a part of one or a word comes from, drawn over the picture.
//
// Runs after page.js, in a function of its own. The buttons made by caption/web/evidence.py carry
// what is drawn as JSON in data-evidence: { about, label, box, heat }, so nothing is asked of the
// server. Gradio changes their HTML in place: the chosen button is known by its JSON, never by its
// element, and buttons with the same JSON, the parts of one statement, are chosen together. What
// speaks for a part is in the row's .details with the same data-statement. Where the picture has
// scrolled away, as on a phone, a small copy of it appears.

const { findVisible, texts } = window.blip;

let chosen = null; // the data-evidence of the chosen buttons
let drawn = { evidence: null, image: null }; // what is drawn, and over which <img>

const make = (tag, className = "") => Object.assign(document.createElement(tag), { className });

const setPixels = (element, lengths) => {
  for (const [property, length] of Object.entries(lengths)) element.style[property] = `${length}px`;
};

const clamp = (value, low, high) => Math.max(low, Math.min(value, high));

// The rectangle of the picture itself within its <img>, whose rest is empty.
const pictureRect = (image) => {
  const frame = image.getBoundingClientRect();
  const scales = [frame.width / image.naturalWidth, frame.height / image.naturalHeight];
  if (getComputedStyle(image).objectFit === "scale-down") scales.push(1);
  const scale = Math.min(...scales);
  const width = image.naturalWidth * scale;
  const height = image.naturalHeight * scale;
  const left = frame.left + (frame.width - width) / 2;
  const top = frame.top + (frame.height - height) / 2;
  return { frame, left, top, width, height };
};

// Dark where the model didn't look, a warm tint where it did. `heat`: rows of 0 to 255.
const heatCanvas = (heat) => {
  const canvas = make("canvas", "heat");
  canvas.width = heat[0].length;
  canvas.height = heat.length;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  heat.flat().forEach((value, i) => {
    pixels.data.set([value, value * 0.55, 0, 170 - value * 0.35], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
};

// A line around the cells that are at least half as hot as can be: colour isn't all there is.
const heatOutline = (heat) => {
  const [rows, columns] = [heat.length, heat[0].length];
  const isHot = (x, y) => (heat[y]?.[x] ?? 0) >= 128;
  let line = "";
  for (let y = 0; y <= rows; y++)
    for (let x = 0; x <= columns; x++) {
      if (isHot(x, y) !== isHot(x, y - 1)) line += `M${x} ${y}h1`;
      if (isHot(x, y) !== isHot(x - 1, y)) line += `M${x} ${y}v1`;
    }
  const path = `<path d="${line}"/>`; // twice: black below, white above
  const holder = make("div");
  const attributes = `viewBox="0 0 ${columns} ${rows}" preserveAspectRatio="none" aria-hidden="true"`;
  holder.innerHTML = `<svg ${attributes}>${path}${path}</svg>`;
  return holder.firstChild;
};

// [left, top, right, bottom] as shares of the picture, in pixels of `rect`.
const boxOutline = (box, rect) => {
  const [left, top, right, bottom] = box;
  const outline = make("div", "box");
  setPixels(outline, {
    left: left * rect.width,
    top: top * rect.height,
    width: (right - left) * rect.width,
    height: (bottom - top) * rect.height,
  });
  return outline;
};

// Below the box where there is room, else at its lower edge, and within the frame in any case.
const placeLabel = (label, box, { frame, left, top, width, height }) => {
  const size = label.getBoundingClientRect();
  const bottom = top + box[3] * height;
  const fits = bottom + size.height <= frame.bottom;
  const labelLeft = clamp(left + box[0] * width, frame.left, frame.right - size.width);
  const labelTop = fits ? bottom : Math.max(frame.top, bottom - size.height);
  setPixels(label, { left: labelLeft - left, top: labelTop - top });
};

const paint = (image, { box, heat, label: words }) => {
  const parent = image.offsetParent;
  if (!image.naturalWidth || !parent) return;
  const rect = pictureRect(image);
  const origin = parent.getBoundingClientRect();
  const overlay = make("div", "evidence-overlay");
  overlay.setAttribute("aria-hidden", "true");
  setPixels(overlay, {
    left: rect.left - origin.left - parent.clientLeft,
    top: rect.top - origin.top - parent.clientTop,
    width: rect.width,
    height: rect.height,
  });
  if (heat.length) overlay.append(heatCanvas(heat), heatOutline(heat));
  if (box) overlay.append(boxOutline(box, rect));
  const label = make("div", "label");
  label.textContent = words;
  label.style.maxWidth = `${rect.frame.width}px`;
  overlay.append(label);
  parent.append(overlay);
  placeLabel(label, box ?? [0, 0, 1, 1], rect);
};

// The copy of the picture for where it is out of sight.
const peek = Object.assign(make("div"), { id: "peek", hidden: true });
const peekImage = Object.assign(make("img"), { alt: texts.picture });
const closeButton = Object.assign(make("button"), { type: "button", textContent: texts.close });
peek.append(peekImage, closeButton);
(document.querySelector(".gradio-container") ?? document.body).append(peek);

const draw = () => {
  for (const overlay of document.querySelectorAll(".evidence-overlay")) overlay.remove();
  if (!drawn.image?.isConnected) return;
  const evidence = JSON.parse(drawn.evidence);
  paint(drawn.image, evidence);
  if (!peek.hidden) paint(peekImage, evidence);
};

const sightObserver = new IntersectionObserver(
  (entries) => {
    peek.hidden = entries.at(-1).intersectionRatio >= 0.6;
    draw();
  },
  { threshold: 0.6 },
);
const sizeObserver = new ResizeObserver(draw);

// Where the copy, at most 42 % of the window high, hides neither the button nor, where both ends of
// the window are free for it, the button's row.
const isRoomAbove = (button) => {
  const { top, bottom } = button.getBoundingClientRect();
  const row = button.closest("li").getBoundingClientRect();
  if (top < innerHeight * 0.42) return false;
  return bottom > innerHeight * 0.58 || row.top > innerHeight - row.bottom;
};

// Draw this evidence over this <img>, and watch both; nothing for nulls.
const show = (evidence, image, button) => {
  const isDrawn = evidence === drawn.evidence && image === drawn.image;
  if (isDrawn && (!image || document.querySelector(".evidence-overlay"))) return;
  drawn = { evidence, image };
  sightObserver.disconnect();
  sizeObserver.disconnect();
  if (image) {
    if (peekImage.src !== image.src) peekImage.src = image.src;
    peek.classList.toggle("above", isRoomAbove(button));
    sightObserver.observe(image);
    sizeObserver.observe(image);
    sizeObserver.observe(peekImage);
  } else {
    peek.hidden = true;
  }
  draw();
};

const isChosen = (button) => button.dataset.evidence === chosen;

// Without need nothing is set: every change is observed.
const setAttribute = (element, name, value) => {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
};

const markPressed = (buttons) => {
  for (const button of document.querySelectorAll("[data-evidence]"))
    setAttribute(button, "aria-pressed", String(buttons.includes(button)));
};

// A part's details are open while it or one of their words is chosen.
const unfoldDetails = (buttons) => {
  for (const details of document.querySelectorAll(".evidence .details")) {
    const { statement } = details.dataset;
    const parts = [
      ...details.parentElement.querySelectorAll(`.part[data-statement="${statement}"]`),
    ];
    const open = buttons.some((button) => parts.includes(button) || details.contains(button));
    if (details.hidden === open) details.hidden = !open;
    for (const part of parts) setAttribute(part, "aria-expanded", String(open));
  }
};

const announce = (rows, words) => {
  const status = rows?.querySelector(".chosen");
  if (status && status.textContent !== words) status.textContent = words;
};

// Bring the page in line with what is chosen. Called after every change of it, so it changes nothing
// without need.
const sync = () => {
  const rows = findVisible(".evidence");
  const buttons = [...(rows?.querySelectorAll("[data-evidence]") ?? [])].filter(isChosen);
  markPressed(buttons);
  unfoldDetails(buttons);
  if (!buttons.length) {
    chosen = null;
    announce(rows, "");
    show(null, null);
    return;
  }
  const image = findVisible(".tab-picture")?.querySelector("img");
  const mark = rows.dataset.picture;
  if (mark && image?.src.includes(mark)) {
    announce(rows, JSON.parse(chosen).label);
    show(chosen, image, buttons[0]);
  } else {
    announce(rows, texts.picture_changed);
    show(null, null);
  }
};

const choose = (evidence) => {
  chosen = evidence;
  sync();
};

new MutationObserver(sync).observe(document.body, {
  childList: true,
  subtree: true,
  attributes: true,
  attributeFilter: [
    "data-evidence",
    "data-picture",
    "aria-pressed",
    "aria-expanded",
    "aria-selected",
    "hidden",
    "src",
  ],
});
document.addEventListener(
  "load",
  (event) => {
    if ([drawn.image, peekImage].includes(event.target)) draw();
  },
  true,
);

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-evidence]");
  if (button) choose(isChosen(button) ? null : button.dataset.evidence);
  if (event.target === closeButton) choose(null);
});

const isShown = (element) => element.offsetParent !== null;

// Up and down go from row to row, left and right from button to button within one.
const nextButton = (key, target, row) => {
  const rows = [...row.parentElement.children];
  const buttons = [...row.querySelectorAll("[data-evidence]")].filter(isShown);
  const rowAt = (i) => rows[i]?.querySelector("[data-evidence]");
  if (key === "ArrowDown") return rowAt(rows.indexOf(row) + 1);
  if (key === "ArrowUp") return rowAt(rows.indexOf(row) - 1);
  if (key === "ArrowRight") return buttons[buttons.indexOf(target) + 1];
  return buttons[buttons.indexOf(target) - 1];
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen) {
    choose(null);
    return;
  }
  // a part is no <button>: Enter and the space bar press it here
  if (event.target.matches?.(".part") && ["Enter", " "].includes(event.key)) {
    event.preventDefault();
    if (!event.repeat) event.target.click();
    return;
  }
  const row = event.target.closest?.(".evidence ol > li");
  if (!row || !["ArrowDown", "ArrowUp", "ArrowRight", "ArrowLeft"].includes(event.key)) return;
  event.preventDefault();
  nextButton(event.key, event.target, row)?.focus();
});
