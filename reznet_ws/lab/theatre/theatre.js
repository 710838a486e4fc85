// Draws the theatre: a lane for each client, a box for each frame, and below it one frame taken apart.
// In: `state` (lanes with frames) and `detail` (one frame), both plain JSON. Out: HTML; clicks as messages to the kernel.
// Never: loads anything, or puts text into the page other than as text.

// Of bits: what they are for, in words.
const KINDS = {
  header: "header", codes: "Huffman codes", spelt: "spelt out", copied: "copied from what was sent before",
  plain: "not compressed", packed: "compressed", filling: "filling",
};
const SCALES = [1, 2, 4, 8, 16];

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const say = value => value.toLocaleString("en", { maximumFractionDigits: 1 });
const bits = count => count % 8 ? `${say(count)} bits` : `${say(count / 8)} bytes`;

// A frame's runs from left to right: copied ones are half as high, so that no colour is needed to tell them.
function paint(runs) {
  const total = runs.reduce((sum, [, count]) => sum + count, 0);
  const layers = [[], []];
  let at = 0;
  for (const [kind, count] of runs) {
    const from = `${(100 * at / total).toFixed(2)}%`, to = `${(100 * (at += count) / total).toFixed(2)}%`;
    layers.forEach((stops, low) => {
      const colour = (kind === "copied") === Boolean(low) ? `var(--reznet-${kind})` : "transparent";
      stops.push(`${colour} ${from}`, `${colour} ${to}`);
    });
  }
  const [high, low] = layers.map(stops => `linear-gradient(to right, ${stops.join(", ")})`);
  return `${high} 0 0 / 100% 100% no-repeat, ${low} 0 100% / 100% 45% no-repeat`;
}

const sum = (runs, kind) => runs.reduce((all, [name, count]) => all + (name === kind ? count : 0), 0);
const describe = ({ number, label, bytes, receivers, runs }) => `frame ${number}, ${label}, ${say(bytes)} bytes`
  + `, ${Object.entries(KINDS).filter(([kind]) => sum(runs, kind)).map(([kind, text]) => `${text} ${bits(sum(runs, kind))}`).join(", ")}`
  + `, one compression for ${say(receivers)} ${receivers === 1 ? "client" : "clients"}`;

function box(frame) {
  const node = make("button", { type: "button", class: "frame", "data-number": frame.number, tabindex: "-1", "aria-label": describe(frame), title: describe(frame) },
    make("span", { class: "name" }, frame.label), make("span", { class: "size" }, `${say(frame.bytes)} B`));
  node.style.setProperty("--bytes", frame.bytes);
  node.style.background = paint(frame.runs);
  return make("li", {}, node);
}

// Lanes keep their boxes from one state to the next, so that whoever points at one does not lose it.
function drawLanes(stage, state) {
  const known = new Map([...stage.querySelectorAll(".lane")].map(lane => [lane.dataset.sid, lane]));
  const lanes = state.lanes.map((client, place) => {
    const lane = known.get(client.sid) ?? make("div", { class: "lane", "data-sid": client.sid },
      make("ol", { class: "track" }), make("div", { class: "client" }));
    const track = lane.querySelector(".track");
    const history = client.history ? `history ${client.history}` : "no history";
    track.setAttribute("aria-label", `frames to client ${place + 1}, newest first`);
    lane.querySelector(".client").replaceChildren(make("b", {}, `client ${place + 1}`), make("span", {}, client.format), make("span", {}, history));
    const boxes = new Map([...track.children].map(item => [item.firstChild.dataset.number, item]));
    track.replaceChildren(...client.frames.map(frame => boxes.get(String(frame.number)) ?? box(frame)));
    return lane;
  });
  stage.querySelector(".lanes").replaceChildren(...lanes);
  const buttons = [...stage.querySelectorAll(".frame")];
  if (buttons.length && !buttons.some(button => button.tabIndex === 0)) buttons[0].tabIndex = 0;
}

// Detail

const figure = (name, count) => make("span", { class: "figure" }, make("b", {}, say(count)), ` ${name}`);

function step({ name, bytes, text }) {
  return make("div", { class: "step" }, make("h5", {}, name, " ", figure("bytes", bytes)), make("pre", { tabindex: "0", "aria-label": name }, text));
}

function headerTable(fields) {
  const rows = fields.map(([byte, places, name, means]) => make("tr", {}, make("td", { class: "byte" }, byte), make("td", { class: "bits" }, places),
    make("th", { scope: "row" }, name), make("td", {}, means)));
  return make("table", { class: "header" }, make("tbody", {}, ...rows));
}

function pieces(shown) {
  const text = make("pre", { class: "pieces", tabindex: "0", "aria-label": "the message; what is copied stands in ⟨brackets⟩" });
  for (const [kind, said, count, source, distance] of shown.pieces) {
    const copied = kind === "copied";
    const about = copied ? `${bits(count)} for ${say(said.length)} characters, from ${say(distance)} bytes before: ${source}` : `${KINDS[kind]}: ${bits(count)}`;
    text.append(make("span", { class: kind, title: about }, copied ? `⟨${said}⟩` : said));
  }
  if (shown.hidden_bytes) text.append(` … ${say(shown.hidden_bytes)} more bytes`);
  return text;
}

function sums(shown) {
  const total = shown.sums.reduce((all, { bits: count }) => all + count, 0);
  const rows = shown.sums.map(({ kind, name, bits: count }) => make("tr", { "data-part": kind, "data-bits": count },
    make("th", { scope: "row" }, make("i", { class: kind }), name), make("td", {}, say(count)), make("td", {}, `${say(100 * count / total)} %`)));
  const all = make("tr", { class: "total", "data-bits": total, "data-bytes": shown.bytes }, make("th", { scope: "row" }, `${say(shown.bytes)} bytes at the socket`),
    make("td", {}, say(total)), make("td", {}, "bits"));
  const bar = make("div", { class: "bar", role: "img", "aria-label": shown.sums.map(({ name, bits: count }) => `${name} ${bits(count)}`).join(", ") });
  bar.style.background = paint(shown.sums.map(({ kind, bits: count }) => [kind, count]));
  return make("div", { class: "sums" }, bar, make("table", {}, make("tbody", {}, ...rows, all)));
}

function sources(shown) {
  if (!shown.sources.length) return "";
  const items = shown.sources.map(({ ago, label, bytes, text }) => make("li", {}, make("b", {}, `${say(bytes)} bytes`),
    ` from ${label}, ${ago === 1 ? "the message before" : `${ago} messages before`} `, make("code", {}, text)));
  return make("div", { class: "sources" }, make("h5", {}, "copied from"), make("ul", {}, ...items));
}

function half(shown, title, steps) {
  return make("section", { class: "half" }, make("h4", {}, title, " ", figure("bytes", shown.bytes)), ...steps.map(step), make("h5", {}, "frame header"), headerTable(shown.header),
    make("h5", {}, "payload"), pieces(shown), sums(shown), sources(shown));
}

function drawDetail(panel, detail, send) {
  if (!detail?.now) return panel.replaceChildren(make("p", { class: "hint" }, "Choose a frame to take it apart: click it, or use the arrow keys and Enter."));
  const saved = detail.other && detail.other.bytes - detail.now.bytes;
  const compared = detail.other ? ` · ${detail.other.title}: ${say(detail.other.bytes)} bytes, ${saved >= 0 ? "+" : "−"}${say(Math.abs(saved))}` : "";
  const heading = make("h3", {}, `${detail.label}: ${say(detail.now.bytes)} bytes, one compression for ${say(detail.receivers)} ${detail.receivers === 1 ? "client" : "clients"}${compared}`);
  const buttons = detail.switches.map(({ name, label, on }) => {
    const button = make("button", { type: "button", "data-switch": name, "aria-pressed": String(detail.other?.switch === name) }, `${label} ${on ? "off" : "on"}`);
    button.addEventListener("click", () => send({ switch: name }));
    return button;
  });
  const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.switch : null;
  const halves = [half(detail.now, "as it was sent", detail.steps)];
  if (detail.other) halves.push(half(detail.other, detail.other.title, detail.other.steps));
  panel.replaceChildren(heading, make("div", { class: "switches", role: "group", "aria-label": "the same message with" }, "The same message with ", ...buttons),
    make("div", { class: `halves${detail.other ? " two" : ""}` }, ...halves));
  if (focused) panel.querySelector(`[data-switch="${focused}"]`)?.focus();
}

// The whole

function build(el, bytesPerPixel) {
  el.classList.add("reznet-theatre");
  el.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes arrow keys and Enter for its own cells
  const legend = make("p", { class: "legend" }, ...["header", "codes", "spelt", "copied", "plain"].map(kind => make("span", {}, make("i", { class: kind }), KINDS[kind])));
  const scale = make("select", { "aria-label": "bytes in a pixel" }, ...SCALES.map(size => make("option", { value: size }, `${size} ${size === 1 ? "byte" : "bytes"} a pixel`)));
  const rescale = () => el.style.setProperty("--scale", scale.value);
  scale.value = String(bytesPerPixel);
  scale.addEventListener("change", rescale);
  rescale();
  const hold = make("button", { type: "button", class: "hold", "aria-pressed": "false" }, "Hold");
  const stage = make("div", { class: "stage" }, make("div", { class: "server" }, "server"), make("div", { class: "lanes" }));
  el.replaceChildren(make("div", { class: "tools" }, hold, scale, make("span", { class: "told", role: "status" }), legend), stage,
    make("section", { class: "detail", "aria-live": "polite", "aria-label": "a frame taken apart" }), make("p", { class: "note" }));
  return { stage, hold, told: el.querySelector(".told"), panel: el.querySelector(".detail"), note: el.querySelector(".note") };
}

export function drawAll(el, state, detail, bytesPerPixel) {
  const { stage, panel, note } = build(el, bytesPerPixel);
  drawLanes(stage, { lanes: [], ...state });
  drawDetail(panel, detail, () => {});
  note.textContent = state.note ?? "";
}

// Arrow keys: along a lane, and from lane to lane.
function move(stage, event) {
  const button = event.target.closest?.(".frame");
  if (!button || !event.key.startsWith("Arrow")) return;
  const lanes = [...stage.querySelectorAll(".lane")], lane = lanes.indexOf(button.closest(".lane"));
  const along = [...lanes[lane].querySelectorAll(".frame")], at = along.indexOf(button);
  const next = { ArrowRight: along[at + 1], ArrowLeft: along[at - 1] }[event.key]
    ?? [...(lanes[lane + { ArrowDown: 1, ArrowUp: -1 }[event.key]]?.querySelectorAll(".frame") ?? [])].find((_, place, all) => place === Math.min(at, all.length - 1));
  event.preventDefault();
  if (!next) return;
  button.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

export default {
  render({ model, el }) {
    const { stage, hold, told, panel } = build(el, model.get("scale"));
    let isPointed = false;
    const holds = () => hold.getAttribute("aria-pressed") === "true" || isPointed || stage.contains(document.activeElement);
    let told_hold = null;
    const draw = () => {
      const state = model.get("state");
      // The kernel keeps what is on the stage for as long as somebody looks at it.
      if (told_hold !== holds()) model.send({ hold: told_hold = holds() });
      el.classList.toggle("is-stopped", !state.is_running);
      if (!holds()) drawLanes(stage, { lanes: [], ...state });
      told.textContent = state.error || (!state.is_running ? "○ the lab is stopped" : holds() ? "holding" : "● live");
    };
    const open = () => {
      const detail = model.get("detail");
      drawDetail(panel, detail, message => model.send(message));
      for (const frame of stage.querySelectorAll(".frame"))
        frame.toggleAttribute("data-chosen", Number(frame.dataset.number) === detail.number);
    };
    hold.addEventListener("click", () => { hold.setAttribute("aria-pressed", String(hold.getAttribute("aria-pressed") !== "true")); draw(); });
    stage.addEventListener("pointerenter", () => { isPointed = true; draw(); });
    stage.addEventListener("pointerleave", () => { isPointed = false; document.activeElement?.closest?.(".stage") && document.activeElement.blur(); draw(); });
    stage.addEventListener("focusin", () => setTimeout(draw));
    stage.addEventListener("focusout", () => setTimeout(draw));
    stage.addEventListener("click", event => {
      const frame = event.target.closest(".frame");
      if (frame) model.send({ open: Number(frame.dataset.number) });
    });
    stage.addEventListener("keydown", event => move(stage, event));
    model.on("change:state", draw);
    model.on("change:detail", open);
    draw();
    open();
    return () => {
      if (told_hold) try { model.send({ hold: false }); } catch { /* closed, and nobody is held any more */ }
      model.off("change:state", draw);
      model.off("change:detail", open);
    };
  },
};
