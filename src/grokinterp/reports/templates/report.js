// Draws every figure once the page is there, and keeps it fit for its width, its colour scheme and for paper.
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const NARROW = 560; // pixels
  const PAPER = 670; // pixels of the printable width of A4

  const inks = {
    light: { text: "#3f454d", quiet: "#85898f", high: "#0d2b4e", hover: "#ffffff" },
    dark: { text: "#c3c9d1", quiet: "#85898f", high: "#e4f0fb", hover: "#1d2127" },
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

  // The layout at a width, in a scheme: a fresh copy of the figure's own, with the changes in it.
  function laidOut(figure, width, ink) {
    const layout = clone(figure.layout);
    const changes = scheme(figure.layout, ink);
    const meta = figure.layout.meta || {};
    const narrow = meta.narrow;
    if (width < NARROW && narrow) Object.assign(changes, narrow);
    if (width === PAPER) Object.assign(changes, { height: Math.round(0.8 * figure.layout.height) }, meta.paper);
    for (const [path, value] of Object.entries(changes)) set(layout, path, value);
    if (width < NARROW) {
      for (const bar of ["coloraxis"]) if (layout[bar]) set(layout, bar + ".colorbar.title.text", "");
    }
    return layout;
  }

  // On a narrow page the tokens' labels would cover each other.
  const mode = (trace, width) => (trace.mode && width < NARROW ? trace.mode.replace("+text", "") : trace.mode);

  // What a reader has changed, axis types and sliders, outlives a new layout.
  function keep(plate, layout) {
    const now = plate._fullLayout;
    if (!now) return;
    for (const axis of ["xaxis", "yaxis"]) if (layout[axis] && now[axis]) layout[axis].type = now[axis].type;
    for (const control of ["updatemenus", "sliders"]) {
      (layout[control] || []).forEach((item, i) => { item.active = now[control][i].active; });
    }
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
    const data = figure.data.map((trace, i) => ({ ...(now[i] || trace), ...(trace.mode && { mode: mode(trace, width) }) }));
    const drawn = Plotly.react(plate, data, layout, config);
    if (figure.frames && !plate.framed) {
      plate.framed = true;
      return drawn.then(() => Plotly.addFrames(plate, figure.frames));
    }
    return drawn;
  }

  const ink = () => inks[dark.matches ? "dark" : "light"];
  const redraw = (plate) => draw(plate, plate.clientWidth, ink());
  const drawAll = () => Promise.all(plates.map(redraw));

  drawAll().then(() => document.documentElement.setAttribute("data-drawn", "yes"));
  dark.addEventListener("change", drawAll);
  let waiting = 0;
  const resized = new ResizeObserver(() => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => plates.filter((plate) => plate.clientWidth !== plate.layout.width).forEach(redraw), 80);
  });
  plates.forEach((plate) => resized.observe(plate));
  window.addEventListener("beforeprint", () => plates.forEach((plate) => draw(plate, PAPER, inks.light, true)));
  window.addEventListener("afterprint", drawAll);
})();
