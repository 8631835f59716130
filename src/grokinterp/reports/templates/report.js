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
    const narrow = figure.layout.meta && figure.layout.meta.narrow;
    if (width < NARROW && narrow) Object.assign(changes, narrow.layout);
    for (const [path, value] of Object.entries(changes)) set(layout, path, value);
    if (width < NARROW) {
      for (const bar of ["coloraxis"]) if (layout[bar]) set(layout, bar + ".colorbar.title.text", "");
      layout.margin = { ...layout.margin, l: 8, r: 8 };
    }
    return layout;
  }

  function traces(figure, width) {
    const narrow = figure.layout.meta && figure.layout.meta.narrow;
    const mode = width < NARROW && narrow && narrow.mode;
    return figure.data.map((trace) => (mode ? { ...trace, mode } : { ...trace }));
  }

  const config = { displaylogo: false, displayModeBar: "hover", responsive: false, showTips: false };
  const plates = [...document.querySelectorAll(".plate")];

  // The state that a reader has changed (axis types, slider) survives a new layout.
  function kept(plate, layout) {
    const now = plate.layout;
    if (!now) return;
    for (const axis of ["xaxis", "yaxis"]) if (now[axis] && now[axis].type && layout[axis]) layout[axis].type = now[axis].type;
    (now.updatemenus || []).forEach((menu, i) => { layout.updatemenus[i].active = menu.active; });
    (now.sliders || []).forEach((slider, i) => { layout.sliders[i].active = slider.active; });
  }

  function draw(plate, width, ink, extra) {
    const figure = figures[plate.id];
    const layout = Object.assign(laidOut(figure, width, ink), { width, ...extra });
    kept(plate, layout);
    const data = plate.data && !extra ? plate.data : traces(figure, width);
    return Plotly.react(plate, data, layout, config).then(() => {
      if (figure.frames && !plate.framed) {
        plate.framed = true;
        return Plotly.addFrames(plate, figure.frames);
      }
    });
  }

  const ink = () => inks[dark.matches ? "dark" : "light"];
  const drawAll = () => Promise.all(plates.map((plate) => draw(plate, plate.clientWidth, ink())));

  drawAll().then(() => document.documentElement.setAttribute("data-drawn", "yes"));
  dark.addEventListener("change", drawAll);
  let waiting = 0;
  window.addEventListener("resize", () => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(drawAll, 120);
  });
})();
