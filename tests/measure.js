// Measures a page in frames of several widths and colour schemes; leaves JSON as the document.
const near = 1;
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const colour = text => (text.match(/[\d.]+/g) || []).map(Number);
const opaque = text => { const c = colour(text); return c.length >= 3 && (c.length < 4 || c[3] > 0.99); };
const name = el => (el.closest("figure, section, .oneway")?.id || "") + " " + el.textContent.trim().slice(0, 40);

function ground(el, view) {
  const box = el.closest(".ow-box");
  if (box) return colour(view.getComputedStyle(box.querySelector("rect")).fill);
  for (let at = el; at; at = at.parentElement) {
    const back = view.getComputedStyle(at).backgroundColor;
    if (opaque(back)) return colour(back);
  }
  return colour(view.getComputedStyle(view.document.documentElement).colorScheme) && [255, 255, 255];
}

function measure(view, keys) {
  const page = view.document, found = { small: [], clipped: [], overlapping: [], faint: [], unreachable: [] };
  for (const part of page.querySelectorAll("details")) { part.removeAttribute("name"); part.open = true; }
  let smallest = Infinity, faintest = Infinity, texts = 0, learners = 0;
  const seen = el => el.getClientRects().length > 0;
  const note = (el, px, ink) => {
    texts++;
    smallest = Math.min(smallest, px);
    if (px < 11) found.small.push(`${px.toFixed(1)} ${name(el)}`);
    const ratio = contrast(ink, ground(el, view));
    faintest = Math.min(faintest, ratio);
    if (ratio < 4.5) found.faint.push(`${ratio.toFixed(1)} ${name(el)}`);
  };
  for (const drawing of page.querySelectorAll("svg")) {
    if (!seen(drawing)) continue;
    const frame = drawing.getBoundingClientRect(), rects = [];
    for (const text of drawing.querySelectorAll("text")) {
      if (!seen(text) || !text.textContent.trim()) continue;
      const style = view.getComputedStyle(text), ctm = text.getScreenCTM();
      const span = text.querySelector("tspan");
      const size = parseFloat(view.getComputedStyle(span || text).fontSize);
      note(text, size * Math.hypot(ctm.a, ctm.b), colour(style.fill));
      const rect = text.getBoundingClientRect();
      if (rect.left < frame.left - near || rect.right > frame.right + near ||
          rect.top < frame.top - near || rect.bottom > frame.bottom + near) found.clipped.push(name(text));
      const box = text.closest(".ow-box")?.querySelector("rect").getBoundingClientRect();
      if (box && (rect.left < box.left || rect.right > box.right)) found.clipped.push("in its box: " + name(text));
      for (const [other, name_] of rects)
        if (Math.min(rect.right, other.right) - Math.max(rect.left, other.left) > near &&
            Math.min(rect.bottom, other.bottom) - Math.max(rect.top, other.top) > 4)
          found.overlapping.push(`${name_} / ${name(text)}`);
      rects.push([rect, name(text)]);
    }
  }
  for (const table of page.querySelectorAll(".scroll"))
    if (table.scrollWidth > table.clientWidth) found.clipped.push("table " + table.getAttribute("aria-label"));
  const walk = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const el = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || el.closest("svg, script, style") || !seen(el)) continue;
    const style = view.getComputedStyle(el);
    note(el, parseFloat(style.fontSize), colour(style.color));
    const rect = el.getBoundingClientRect();
    if (rect.right > view.innerWidth + near && !el.closest(".scroll, pre")) found.clipped.push(name(el));
  }
  // Keys do the same at any width and in either scheme.
  for (const figure of keys ? page.querySelectorAll(".ow-figure") : []) {
    const arrows = [...figure.querySelectorAll(".ow-arrow")].filter(seen), reached = new Set();
    const stops = arrows.filter(arrow => arrow.getAttribute("tabindex") === "0");
    if (arrows.length && stops.length !== 1) { found.unreachable.push(`${stops.length} stops: ${name(figure)}`); continue; }
    stops[0]?.focus();
    for (let i = 0; i < arrows.length; i++) {
      const at = page.activeElement;
      reached.add(at);
      if (figure.querySelector(".ow-says").textContent.indexOf(at.querySelector("title").textContent) !== 0)
        found.unreachable.push("not said: " + at.querySelector("title").textContent);
      const lit = figure.querySelectorAll(".ow-lit").length;
      learners += lit;
      if (lit !== (at.dataset.lights || "").split(" ").filter(Boolean).length)
        found.unreachable.push(`${lit} lit: ` + at.querySelector("title").textContent);
      at.dispatchEvent(new view.KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
    }
    if (reached.size !== arrows.length) found.unreachable.push(`${reached.size} of ${arrows.length}: ${name(figure)}`);
  }
  const dark = view.matchMedia("(prefers-color-scheme: dark)").matches;
  const backs = luminance(ground(page.body, view));
  return { ...found, texts, learners, smallest, faintest, dark, ground: backs,
    wide: page.documentElement.scrollWidth - view.innerWidth,
    requests: view.performance.getEntriesByType("resource").map(one => one.name) };
}

const shown = (scheme, width, keys) => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.style = `width:${width}px;height:900px;border:0;color-scheme:${scheme}`;
  frame.scrolling = "no";  // a scroll bar would take its width from the page
  frame.srcdoc = PAGE;
  frame.onload = () => done([`${width} ${scheme}`, measure(frame.contentWindow, keys)]);
  document.body.append(frame);
});

(async () => {
  const found = [];
  try {
    for (const scheme of ["light", "dark"]) for (const width of [390, 1280]) found.push(await shown(scheme, width, !found.length));
  } catch (error) { found.push(["error", String(error.stack)]); }
  document.documentElement.innerHTML = "<body><pre id=found></pre></body>";
  document.getElementById("found").textContent = JSON.stringify(Object.fromEntries(found));
})();
