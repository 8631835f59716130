// Draws every figure once the page is there, and keeps it fit for its width, its colour scheme and for paper.
(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const controls = read("controls");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const NARROW = 560; // pixels
  const PAPER = 670; // pixels of the printable width of A4

  const inks = {
    light: { text: "#3f454d", quiet: "#8c9096", high: "#0d2b4e", hover: "#ffffff" },
    dark: { text: "#c3c9d1", quiet: "#8c9096", high: "#e4f0fb", hover: "#1d2127" },
  };

  const clone = (value) => JSON.parse(JSON.stringify(value));
  const set = (object, path, value) => {
    const names = path.split(".");
    const last = names.pop();
    let at = object;
    for (const name of names) at = at[name] = at[name] ?? {};
    at[last] = value;
  };

  // What a colour scheme changes in a layout, as {path: value}.
  function scheme(layout, ink) {
    const changes = {
      "font.color": ink.text,
      "hoverlabel.bgcolor": ink.hover,
      "hoverlabel.font.color": ink.text,
    };
    for (const name of (layout.meta && layout.meta.sequential) || []) {
      const scale = clone(layout[name].colorscale);
      scale[scale.length - 1][1] = ink.high;
      changes[name + ".colorscale"] = scale;
    }
    return changes;
  }

  // Three figures and their captions to a page, in smaller type. A legend below the plot has room to take what it needs.
  function onPaper(layout) {
    const changes = { height: Math.round(0.66 * layout.height), "font.size": 11, "legend.font.size": 10 };
    for (const name of Object.keys(layout)) if (/^[xy]axis/.test(name)) changes[name + ".title.font.size"] = 11;
    return Object.assign(changes, (layout.meta || {}).paper);
  }

  const isBelow = (layout) => (layout.legend && layout.legend.y !== undefined ? layout.legend.y : -0.24) < 0; // as in the template

  // What the legend of a drawn plate takes is known: that much below the axis, and no more, whatever stands in it.
  function fitLegend(plate, height) {
    const { legend, margin } = plate._fullLayout;
    if (!legend || !legend._height) return Plotly.relayout(plate, { height });
    const axis = 46; // pixels of ticks and title
    const bottom = axis + Math.ceil(legend._height);
    const plot = height - margin.t - 56;
    return Plotly.relayout(plate, { height: margin.t + plot + bottom, "margin.b": bottom, "legend.y": -axis / plot });
  }

  // The layout at a width, in a scheme: a fresh copy of the figure's own, with the changes in it.
  function laidOut(figure, width, ink) {
    const layout = clone(figure.layout);
    const changes = scheme(figure.layout, ink);
    const meta = figure.layout.meta || {};
    const narrow = meta.narrow;
    if (width < NARROW && narrow) Object.assign(changes, narrow);
    if (width === PAPER) Object.assign(changes, onPaper(figure.layout));
    for (const [path, value] of Object.entries(changes)) set(layout, path, value);
    if (width < NARROW) {
      for (const bar of ["coloraxis"]) if (layout[bar]) set(layout, bar + ".colorbar.title.text", "");
      // Titles that a phone has no room for lose what stands in brackets.
      for (const [name, axis] of Object.entries(layout)) {
        const title = /^[xy]axis/.test(name) && axis.title && axis.title.text;
        if (title && title.length > 28) axis.title.text = title.replace(/(,| \().*$/, "");
      }
    }
    return layout;
  }

  // On a narrow page, and on paper, the tokens' labels would cover each other.
  const mode = (trace, width) => (trace.mode && (width < NARROW || width === PAPER) ? trace.mode.replace("+text", "") : trace.mode);

  // -- arrays: plotly's base64 vectors, and pictures of 8 bits a point, packed (frames.py)

  const KINDS = { f4: Float32Array, i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array };
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  async function inflated(packed) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function unpacked(value) {
    if (value && value.texture) {
      const levels = await inflated(bytes(value.texture));
      const [rows, columns] = value.shape;
      const unit = (value.high - value.low) / 254;
      const z = [];
      for (let i = 0; i < rows; i++) {
        const row = new Float32Array(columns);
        for (let j = 0; j < columns; j++) {
          const at = i * columns + j;
          if (i) levels[at] += levels[at - columns];
          row[j] = levels[at] === 255 ? NaN : value.low + levels[at] * unit;
        }
        z.push(row);
      }
      return z;
    }
    if (value && value.bdata) return new KINDS[value.dtype](bytes(value.bdata).buffer);
    return value;
  }

  // The traces of a figure at a frame: a fresh object for every trace that moves.
  async function moved(traces, frame) {
    return Promise.all(traces.map(async (trace, i) => {
      const entries = await Promise.all(Object.entries(frame[i] || {}).map(async ([name, value]) => [name, await unpacked(value)]));
      return entries.length ? { ...trace, ...Object.fromEntries(entries) } : trace;
    }));
  }

  // What a reader has changed, axis types and buttons, outlives a new layout.
  function keep(plate, layout) {
    const now = plate._fullLayout;
    if (!now) return;
    for (const axis of ["xaxis", "yaxis"]) if (layout[axis] && now[axis]) layout[axis].type = now[axis].type;
    (layout.updatemenus || []).forEach((item, i) => { item.active = now.updatemenus[i].active; });
  }

  const config = {
    displaylogo: false,
    showTips: false,
    responsive: false,
    modeBarButtons: [["zoom2d", "resetScale2d", "toImage"]],
    plotlyServerURL: "",
  };
  const plates = [...document.querySelectorAll(".plate")];

  function draw(plate, width, ink, hidden) {
    const figure = figures[plate.id];
    const layout = laidOut(figure, width, ink);
    layout.width = width;
    keep(plate, layout);
    if (hidden) for (const menu of layout.updatemenus || []) menu.visible = false;
    const now = plate.data || [];
    // What waits in a legend to be clicked waits in vain on paper.
    const waits = (trace) => width === PAPER && trace.visible === "legendonly";
    const data = figure.data.map((trace, i) => ({
      ...(now[i] || trace),
      ...(trace.mode && { mode: mode(trace, width) }),
      showlegend: waits(now[i] || trace) ? false : trace.showlegend,
    }));
    plate.classList.add("drawn");
    // At another width react leaves a legend that had wrapped where it was, in pixels: over the ticks.
    if (plate.layout && plate.layout.width !== width) Plotly.purge(plate);
    if (width !== PAPER || layout.showlegend === false || !isBelow(layout)) return Plotly.react(plate, data, layout, config);
    const height = layout.height;
    // A legend may take half the height; past that it would be cut and get a bar to scroll it by.
    Plotly.react(plate, data, { ...layout, height: 2 * height + 400 }, config);
    return fitLegend(plate, height);
  }

  const ink = () => inks[dark.matches ? "dark" : "light"];
  // What stands behind a line that is closed has no width; opened, it is seen to change, and is drawn.
  const redraw = (plate) => plate.clientWidth && draw(plate, plate.clientWidth, ink());
  const drawAll = () => Promise.all(plates.map(redraw));

  // -- the slider: one for all pictures that move

  const moving = plates.filter((plate) => figures[plate.id].frames);
  const last = controls.steps.length - 1;
  let current = last;
  let busy = false;

  // Pictures out of sight wait until the slider rests.
  const inSight = (plate) => {
    const box = plate.getBoundingClientRect();
    return box.bottom > -200 && box.top < window.innerHeight + 200;
  };

  async function show(plate) {
    const at = current;
    if (plate.at === at) return;
    plate.at = at;
    const data = await moved(plate.data || figures[plate.id].data, figures[plate.id].frames[at]);
    if (plate.data) await Plotly.react(plate, data, plate.layout, config);
    else figures[plate.id].data = data;
  }

  async function settle() {
    if (busy) return;
    busy = true;
    for (let pass = 0; pass < 2; pass++) {
      for (const plate of moving) {
        if (plate.at === current || (pass === 0 && !inSight(plate))) continue;
        await show(plate);
        // Whoever drags on is served first.
        await new Promise((resume) => window.setTimeout(resume));
      }
    }
    busy = false;
    if (moving.some((plate) => plate.at !== current)) return settle();
    document.documentElement.setAttribute("data-frame", String(controls.steps[current]));
  }

  const slider = document.getElementById("frame");
  function go(to) {
    current = Math.min(Math.max(to, 0), last);
    slider.value = String(current);
    document.getElementById("step").textContent = controls.steps[current].toLocaleString("en");
    readHeads();
    settle();
  }
  if (slider) {
    slider.addEventListener("input", () => go(Number(slider.value)));
    document.getElementById("earlier").addEventListener("click", () => go(current - 1));
    document.getElementById("later").addEventListener("click", () => go(current + 1));
  }

  // -- the switches of heads: every set has been measured

  const switches = [...document.querySelectorAll("[data-head]")];
  const raised = (power) => [...String(power)].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("");
  const scientific = (value) => {
    if (value === 0 || Math.abs(value) >= 1e-3) return value.toPrecision(4);
    const [digits, power] = value.toExponential(3).split("e");
    return digits + " \u00d7 10" + raised(Number(power));
  };
  const readable = (name, value) => {
    if (value === null) return "not known";
    return name.endsWith("accuracy") ? (100 * value).toFixed(2) + " %" : scientific(value);
  };
  function readHeads() {
    if (!controls.masks || !switches.length) return;
    const { steps, values } = controls.masks;
    // The last measured step that is not after the slider's, the first where there is none.
    const step = controls.steps[current];
    const at = Math.max(0, steps.findLastIndex((one) => one <= step));
    const mask = switches.reduce((sum, box) => sum + (box.checked ? 2 ** Number(box.dataset.head) : 0), 0);
    document.getElementById("masked-step").textContent = steps[at].toLocaleString("en");
    for (const cell of document.querySelectorAll("[data-whole], [data-without]")) {
      const name = cell.dataset.whole || cell.dataset.without;
      const value = values[name][at][cell.dataset.whole ? 0 : mask];
      cell.textContent = readable(name, value);
      cell.dataset.value = String(value);
    }
  }
  switches.forEach((box) => box.addEventListener("change", readHeads));
  readHeads();

  Promise.all(moving.map(show))
    .then(drawAll)
    .then(() => document.documentElement.setAttribute("data-drawn", "yes"));
  dark.addEventListener("change", drawAll);
  let waiting = 0;
  const resized = new ResizeObserver(() => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => plates.filter((plate) => plate.clientWidth !== plate.layout?.width).forEach(redraw), 80);
  });
  plates.forEach((plate) => resized.observe(plate));
  window.addEventListener("beforeprint", () => plates.forEach((plate) => plate.clientWidth && draw(plate, PAPER, inks.light, true)));
  window.addEventListener("afterprint", drawAll);
})();
