"use strict";
// Drawing: curves, bars and the map. Text of a run is only ever set as text.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, text = null, namespace = null) {
  const made = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

const svg = (name, attributes, text = null) => element(name, attributes, text, SVG);

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const raised = (number) => [...String(number)].map((digit) => RAISED[digit]).join("");
const grouped = (number) => number.toLocaleString("en-US");

function written(value, isLoss) {
  if (Number.isNaN(value)) return "–";
  if (!isLoss) return `${(100 * value).toFixed(2)} %`;
  if (value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5)) return String(Number(value.toPrecision(4)));
  const [digits, exponent] = value.toExponential(2).split("e");
  return `${digits} × 10${raised(Number(exponent))}`;
}

const FRAME = { left: 52, right: 12, top: 22, bottom: 34 };

// A plot of lines over the steps: `lines` are {name, kind, steps, values}; `go(step)` is called where it is clicked.
function drawCurves(place, { title, lines, isLog, steps, now, go }) {
  const width = Math.max(place.clientWidth, 260), height = 190;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title });
  const last = Math.max(...steps, ...lines.flatMap(({ steps: at }) => at), 1);
  const x = (step) => FRAME.left + (step / last) * (width - FRAME.left - FRAME.right);
  const values = lines.flatMap(({ values: each }) => each).filter((value) => value > 0 || !isLog);
  const low = isLog ? Math.floor(Math.log10(Math.min(...values, 1))) : 0;
  const high = isLog ? Math.ceil(Math.log10(Math.max(...values, 0.1))) : 1;
  const scale = (value) => (isLog ? Math.log10(Math.max(value, 10 ** low)) : value);
  const y = (value) => height - FRAME.bottom - ((scale(value) - low) / (high - low || 1)) * (height - FRAME.top - FRAME.bottom);
  chart.append(svg("text", { x: 0, y: 12, class: "title" }, title));
  const stride = Math.ceil((high - low) / 5);
  const marks = isLog ? Array.from({ length: Math.floor((high - low) / stride) + 1 }, (_, i) => 10 ** (low + i * stride)) : [0, 0.5, 1];
  for (const mark of marks) {
    chart.append(svg("line", { x1: FRAME.left, x2: width - FRAME.right, y1: y(mark), y2: y(mark), class: "grid" }));
    const text = isLog ? (mark >= 0.01 && mark < 1000 ? String(Number(mark.toPrecision(3))) : `10${raised(Math.round(Math.log10(mark)))}`) : `${100 * mark} %`;
    chart.append(svg("text", { x: FRAME.left - 6, y: y(mark) + 4, class: "tick", "text-anchor": "end" }, text));
  }
  for (const share of [0, 0.5, 1]) {
    const step = Math.round(share * last);
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    chart.append(svg("text", { x: x(step), y: height - FRAME.bottom + 16, class: "tick", "text-anchor": anchor }, grouped(step)));
  }
  chart.append(svg("text", { x: x(last / 2), y: height - 2, class: "tick", "text-anchor": "middle" }, "training step"));
  for (const { kind, steps: at, values: each } of lines) {
    const points = at.map((step, i) => `${x(step).toFixed(1)},${y(each[i]).toFixed(1)}`).join(" ");
    chart.append(svg("polyline", { points, class: kind }));
  }
  for (const step of steps) chart.append(svg("line", { x1: x(step), x2: x(step), y1: height - FRAME.bottom, y2: height - FRAME.bottom + 5, class: "held" }));
  chart.append(svg("line", { x1: x(now), x2: x(now), y1: FRAME.top - 4, y2: height - FRAME.bottom, class: "now" }));
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    const at = ((event.clientX - box.left) * (width / box.width) - FRAME.left) / (width - FRAME.left - FRAME.right);
    go(Math.min(Math.max(at, 0), 1) * last);
  });
  place.replaceChildren(chart);
}

// Logits of one row: as trained in grey, after in blue, the right answer marked.
function drawLogits(place, before, after, label) {
  const width = Math.max(place.clientWidth, 260), height = 200, n = before.length;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Logits of every answer, as trained and after" });
  const low = Math.min(0, ...before, ...after), high = Math.max(0, ...before, ...after);
  const x = (i) => FRAME.left + ((i + 0.5) / n) * (width - FRAME.left - FRAME.right);
  const y = (value) => height - FRAME.bottom - ((value - low) / (high - low || 1)) * (height - FRAME.top - FRAME.bottom);
  for (const mark of [low, 0, high]) {
    chart.append(svg("line", { x1: FRAME.left, x2: width - FRAME.right, y1: y(mark), y2: y(mark), class: "grid" }));
    chart.append(svg("text", { x: FRAME.left - 6, y: y(mark) + 4, class: "tick", "text-anchor": "end" }, mark ? mark.toFixed(Math.abs(mark) < 10 ? 1 : 0) : "0"));
  }
  chart.append(svg("line", { x1: x(label), x2: x(label), y1: FRAME.top, y2: height - FRAME.bottom, class: "answer" }));
  chart.append(svg("text", { x: x(label), y: 14, class: "tick", "text-anchor": "middle" }, `answer ${label}`));
  for (const [kind, values] of [["before", before], ["after", after]]) {
    const bar = Math.max(((width - FRAME.left - FRAME.right) / n) * (kind === "before" ? 0.8 : 0.4), 0.8);
    values.forEach((value, i) =>
      chart.append(svg("rect", { x: x(i) - bar / 2, width: bar, y: Math.min(y(value), y(0)), height: Math.max(Math.abs(y(value) - y(0)), 0.5), class: kind })));
  }
  for (const i of [0, Math.floor(n / 2), n - 1]) chart.append(svg("text", { x: x(i), y: height - FRAME.bottom + 16, class: "tick", "text-anchor": "middle" }, String(i)));
  chart.append(svg("text", { x: x((n - 1) / 2), y: height - 2, class: "tick", "text-anchor": "middle" }, "answer (logits upwards)"));
  place.replaceChildren(chart);
}

// Every row by what became of it; colours differ in lightness too.
const FATES = [
  { name: "right, as before", colour: [43, 98, 201, 110] },
  { name: "lost: right before, wrong after", colour: [188, 0, 0, 255] },
  { name: "gained: wrong before, right after", colour: [0, 173, 255, 255] },
  { name: "wrong, as before", colour: [140, 144, 150, 190] },
];

function fateOf(before, after, label) {
  return 2 * (before !== label) + ((before === label) !== (after === label) ? (before === label ? 1 : 0) : before === label ? 0 : 1);
}

function drawMap(canvas, { operands, sizes }, fates, row) {
  const [high, wide] = sizes;
  canvas.width = wide;
  canvas.height = high;
  const context = canvas.getContext("2d"), image = context.createImageData(wide, high);
  fates.forEach((fate, i) => image.data.set(FATES[fate].colour, 4 * (operands[2 * i] * wide + operands[2 * i + 1])));
  const at = 4 * (operands[2 * row] * wide + operands[2 * row + 1]);
  image.data.set([210, 148, 79, 255], at);
  context.putImageData(image, 0, 0);
}
