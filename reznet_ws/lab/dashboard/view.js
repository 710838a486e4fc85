// Draws the dashboard's figures: cards, bars and charts of lines, each as wide as there is room.
// In: `spec` (which charts there are) and `state` (what was measured), both plain JSON. Out: HTML and SVG.
// Never: loads anything, keeps a measurement, or puts text into the page other than as text.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 18;

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const draw = (parent, tag, attributes, text) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
};
const say = (value, digits = 1) =>
  value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: value >= 100 ? 0 : digits }).replace("-", "−");

// Cards

const card = ({ name, value, unit, target, kind, said }) =>
  make("div", { class: `reznet-card reznet-${kind}`, "data-requirement": name },
    make("span", { class: "name" }, name),
    make("b", {}, value, ...(unit ? [" ", make("small", {}, unit)] : [])),
    make("span", { class: "verdict" }, said),
    make("span", { class: "target" }, `target ${target}`));

// Bars

function bars(title, rows, name) {
  const grid = make("div", { class: "reznet-bars" });
  const reach = Math.max(100, ...rows.map(row => row.percent));
  const low = Math.min(0, ...rows.map(row => row.percent));
  const at = percent => `${100 * (percent - low) / (reach - low)}%`;
  for (const row of rows) {
    const bar = make("div");
    bar.style.background = row.colour;
    bar.style.left = at(Math.min(0, row.percent));
    bar.style.right = `calc(100% - ${at(Math.max(0, row.percent))})`;
    grid.append(make("span", {}, row.name), make("div", { class: "track" }, bar),
      make("span", { class: "figure", "data-bar": row.name }, row.figure));
  }
  return make("section", { class: "reznet-chart", "data-chart": name }, make("h4", {}, title), grid);
}

// Lines

function ticks(low, high, log) {
  if (log) {
    const all = [-1, 0, 1, 2, 3, 4].flatMap(power => [1, 2, 5].map(step => step * 10 ** power));
    const shown = all.filter(tick => tick >= low && tick <= high);
    return shown.length > 5 ? shown.filter(tick => /^[0.]*1/.test(String(tick))) : shown;
  }
  const rough = high / 4, power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(size => size >= rough) ?? 1;
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, index) => index * step);
}

function lines(chart, state, spec, [width, height]) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, height, role: "img" }))
    svg.setAttribute(name, value);
  svg.setAttribute("aria-label", `${chart.title}: ` + chart.series.map(one => `${one.label} ${say(last(state, one.key))}`).join(", "));
  const values = chart.series.flatMap(one => state.lines[one.key]).filter(value => value != null && (!chart.log || value > 0));
  const limits = (chart.limits ?? []).map(limit => limit.at);
  const high = chart.log ? Math.max(150, ...values) * 1.25 : Math.max(1, ...values) * 1.08;
  const low = chart.log ? Math.min(10, ...values) * 0.8 : 0;
  const scale = value => chart.log ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : value / high;
  const x = ago => LEFT + (width - LEFT - RIGHT) * (1 - ago / spec.span_s);
  const y = value => height - BOTTOM - (height - TOP - BOTTOM) * scale(value);
  for (const tick of ticks(low, high, chart.log)) {
    draw(svg, "line", { x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick), stroke: "currentColor", "stroke-opacity": 0.12 });
    draw(svg, "text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, say(tick));
  }
  for (const ago of [45, 30, 15, 0])
    draw(svg, "text", { x: x(ago), y: height - 4, "text-anchor": ago ? "middle" : "end" }, ago ? `${ago} s` : "now");
  for (const { ago_s: ago } of state.marks)
    if (ago < spec.span_s)
      draw(svg, "line", { x1: x(ago), x2: x(ago), y1: TOP, y2: height - BOTTOM, stroke: "currentColor", "stroke-opacity": 0.5, "stroke-dasharray": "2 3" });
  for (const one of chart.series) {
    let path = "", from = null;
    state.lines[one.key].forEach((value, index) => {
      const at = value == null || state.ago_s[index] > spec.span_s ? null : `${x(state.ago_s[index]).toFixed(1)},${y(value).toFixed(1)}`;
      if (at) path += `${from ? "L" : "M"}${at}`;
      from = at;
    });
    draw(svg, "path", { d: path || "M0,0", fill: "none", stroke: one.colour, "stroke-width": 2, "stroke-linejoin": "round",
      "stroke-dasharray": one.dashed ? "2 4" : "none", "data-series": one.key });
  }
  (chart.limits ?? []).forEach((limit, index) => {
    draw(svg, "line", { x1: LEFT, x2: width - RIGHT, y1: y(limit.at), y2: y(limit.at), stroke: "currentColor", "stroke-dasharray": "5 4" });
    // At different ends, so that they do not meet; behind its halo a line does not cross a label.
    draw(svg, "text", { x: index ? width - RIGHT - 4 : LEFT + 4, y: y(limit.at) - 4, "text-anchor": index ? "end" : "start" }, limit.label);
  });
  if (chart.says_marks) {
    let free = Infinity;
    for (const { ago_s: ago, text } of [...state.marks].reverse()) {
      const length = 7.5 * text.length, left = Math.min(x(ago) + 3, width - RIGHT - length);
      if (ago >= spec.span_s || left < LEFT || left + length > free) continue;
      draw(svg, "text", { x: left, y: TOP + 8 }, text);
      free = left - 6;
    }
  }
  return svg;
}

const last = (state, key) => state.lines[key].at(-1);

function lineChart(chart, state, spec, size) {
  const [width] = size;
  const title = make("h4", {}, chart.title);
  const shown = index => chart.series.map(one => say(index == null ? last(state, one.key) : state.lines[one.key][index]));
  const figures = chart.series.map(one => {
    const figure = make("b");
    const mark = make("i", one.dashed ? { class: "dashed" } : {});
    mark.style.borderTopColor = one.colour;
    title.append(make("span", {}, mark, `${one.label} `, figure));
    return figure;
  });
  const tell = index => shown(index).forEach((text, number) => { figures[number].textContent = text; });
  tell(null);
  if (chart.note && state[chart.note]) title.append(make("span", {}, state[chart.note]));
  const svg = lines(chart, state, spec, size);
  svg.addEventListener("pointermove", event => {
    const place = (event.offsetX - LEFT) / (width - LEFT - RIGHT);
    const wanted = spec.span_s * (1 - place);
    tell(state.ago_s.reduce((best, ago, index) =>
      best == null || Math.abs(ago - wanted) < Math.abs(state.ago_s[best] - wanted) ? index : best, null));
  });
  svg.addEventListener("pointerleave", () => tell(null));
  return make("section", { class: "reznet-chart", "data-chart": chart.key }, title, svg);
}

// The whole; `width` is that of all charts together.
export function drawAll(el, spec, state) {
  el.classList.add("reznet-view");
  el.classList.toggle("reznet-stopped", !state.is_running);
  const charts = el.querySelector(".reznet-charts") ?? make("div", { class: "reznet-charts" });
  if (!charts.isConnected) el.replaceChildren(make("div", { class: "reznet-board" }), charts, make("p", { class: "note" }));
  el.querySelector(".reznet-board").replaceChildren(...state.cards.map(card));
  el.querySelector(".note").textContent = state.note ?? "";
  const columns = getComputedStyle(charts).gridTemplateColumns.split(" ").length;
  const size = [Math.max(160, (charts.clientWidth - 20 * (columns - 1)) / columns), columns > 1 ? 176 : 138];
  charts.replaceChildren(
    bars("Saving of each layer, in % of off", state.savings, "savings"),
    lineChart(spec.charts[0], state, spec, size),
    lineChart(spec.charts[1], state, spec, size),
    bars("Bytes for each event: off → on the wire", state.events, "events"),
    ...spec.charts.slice(2).map(chart => lineChart(chart, state, spec, size)),
  );
}

// What can be taken away: the settings as code, all that is drawn as JSON, the lines as CSV.
const figures = ({ settings, load, savings, events, cards, ago_s, lines, marks }) =>
  JSON.stringify({ settings, load, savings, events, cards, ago_s, lines, marks }, null, 1);
const table = ({ ago_s, lines }) => [["ago_s", ...Object.keys(lines)],
  ...ago_s.map((ago, index) => [ago, ...Object.values(lines).map(line => line[index] ?? "")])].map(row => row.join(",")).join("\r\n");

function save(name, kind, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: kind })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

function footer(model) {
  const button = (label, press) => {
    const made = make("button", { type: "button", class: "jp-Button" }, label);
    made.addEventListener("click", () => press(model.get("state"), made));
    return made;
  };
  const copy = async ({ settings }, made) => {
    await navigator.clipboard.writeText(settings);
    made.textContent = "Copied";
    setTimeout(() => { made.textContent = "Copy settings"; }, 1500);
  };
  return make("div", { class: "reznet-footer" }, button("Copy settings", copy),
    button("Figures as JSON", state => save("reznet-figures.json", "application/json", figures(state))),
    button("Lines as CSV", state => save("reznet-lines.csv", "text/csv", table(state))));
}

// ipywidgets gives its sliders no names: a screen reader would say "slider", and for a list of stops the stop's number.
function nameSliders(controls) {
  for (const row of controls.querySelectorAll(".reznet-row")) {
    const name = row.querySelector(".reznet-label")?.textContent.trim();
    const readout = row.querySelector(".widget-readout")?.textContent.trim();
    for (const handle of row.querySelectorAll(".noUi-handle")) {
      if (handle.getAttribute("aria-label") !== name) handle.setAttribute("aria-label", name);
      if (readout && handle.getAttribute("aria-valuetext") !== readout) handle.setAttribute("aria-valuetext", readout);
    }
    row.querySelector("select")?.setAttribute("aria-label", name);
  }
}

export default {
  render({ model, el }) {
    const view = make("div");
    el.append(view, footer(model));
    const redraw = () => { if (view.isConnected && view.clientWidth) drawAll(view, model.get("spec"), model.get("state")); };
    model.on("change:state", redraw);
    const resized = new ResizeObserver(redraw);
    resized.observe(view);
    let named = null, gone = false;
    const attach = () => {
      if (gone) return;
      const controls = el.closest(".reznet-dashboard")?.querySelector(".reznet-controls");
      if (!controls) return requestAnimationFrame(attach);
      nameSliders(controls);
      named = new MutationObserver(() => nameSliders(controls));
      named.observe(controls, { subtree: true, childList: true, characterData: true });
    };
    requestAnimationFrame(attach);
    return () => { gone = true; resized.disconnect(); named?.disconnect(); model.off("change:state", redraw); };
  },
};
