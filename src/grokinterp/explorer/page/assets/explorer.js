"use strict";
// The token leaves the address at once; where cookies are blocked (a notebook's frame) a header carries it.
(() => {
  const query = new URLSearchParams(location.search);
  const token = query.get("token");
  if (!token) return;
  query.delete("token");
  const rest = query.toString();
  history.replaceState(null, "", location.pathname + (rest ? "?" + rest : "") + location.hash);
  const plain = window.fetch;
  window.fetch = (where, options = {}) => {
    const url = new URL(where instanceof Request ? where.url : where, location.href);
    if (url.origin !== location.origin) return plain(where, options);
    const headers = new Headers(options.headers || (where instanceof Request ? where.headers : undefined));
    headers.set("X-Grokinterp-Token", token);
    return plain(where, { ...options, headers });
  };
})();

(() => {
  const same = () => window.dash_clientside.no_update;
  const say = (id, text) => {
    const button = document.getElementById(id);
    const label = button.dataset.label || (button.dataset.label = button.textContent);
    button.textContent = text;
    setTimeout(() => { button.textContent = label; }, 1500);
  };
  const copy = async (id, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    say(id, "Copied");
  };
  // A page that is not looked at is never painted.
  const painted = (then) => (document.hidden ? setTimeout(then) : requestAnimationFrame(() => setTimeout(then)));
  const graph = (id) => document.querySelector(`#${id} .js-plotly-plot`);
  const save = (name, text, type) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const element = (tag, text, properties) => Object.assign(document.createElement(tag), { textContent: text, ...properties });
  // The numbers, or a line that says why there are none.
  const tiles = (id, found) => {
    const tile = ({ id, label, value, delta, kind, exact, was }) => {
      const made = element("div", "", { className: "tile" });
      made.append(
        element("span", label, { className: "name" }),
        element("strong", value, { id: `${id}-after`, title: exact }),
        element("span", delta, { id: `${id}-delta`, className: `delta ${kind}`, title: was }),
      );
      return made;
    };
    const inside = typeof found === "string" ? [element("p", found, { className: "note" })] : found.map(tile);
    document.getElementById(id).replaceChildren(...inside);
  };
  // The map, past Dash: where only its cells are new they are painted at once, and plotly, which draws the axes and the
  // scale with them, is told after; where only their scale is new too, it is spared the rest.
  const cells = { z: null }, scale = { zmin: null, zmax: null };
  const without = (names, figure) => JSON.stringify([figure.data.map((trace) => ({ ...trace, ...names })), figure.layout]);
  // Texts, since plotly writes into the figure that it draws.
  let wanted, frame, frameAndScale;
  const map = (figure) => {
    wanted = figure;
    const drawn = graph("table");
    // While the page opens the answer can be there before plotly is.
    if (!drawn) return requestAnimationFrame(() => map(wanted));
    const isPainted = without(cells, figure) === frameAndScale && window.grokinterpCells.paint(drawn, figure.data[0]);
    return isPainted ? painted(() => draw(drawn, wanted)) : draw(drawn, figure);
  };
  const draw = (drawn, figure) => {
    const blank = { ...cells, ...scale }, around = without(blank, figure), isFramed = around === frame;
    [frame, frameAndScale] = [around, without(cells, figure)];
    const news = Object.keys(blank).map((name) => [name, figure.data.map((trace) => trace[name])]);
    if (isFramed) return window.Plotly.restyle(drawn, Object.fromEntries(news));
    return window.Plotly.react(drawn, figure.data, figure.layout);
  };
  let asked = 0, shown;
  // What was used since the view that is shown: an answer that was overtaken is not drawn, and the next one is of all.
  let pending = [];
  const only = (message) => ({ told: { message: { children: message } }, rest: {} });
  const DEAD = "The explorer does not answer. Start it again, and open the address that it prints.";
  const UNKNOWN = "The explorer no longer knows this page. Open the address that it printed.";
  const reach = (path, options) => {
    const prefix = JSON.parse(document.getElementById("_dash-config").textContent).requests_pathname_prefix;
    return window.fetch(prefix + path, options);
  };
  const ask = async (body) => {
    const headers = { "Content-Type": "application/json" };
    try {
      const response = await reach("change", { method: "POST", headers, body: JSON.stringify(body) });
      if (response.ok) return await response.json();
      if (response.status === 403) return only(UNKNOWN);
    } catch {
      // Said below, as for an answer that is none.
    }
    return only(DEAD);
  };
  // A server that has ended cannot say so: the page asks now and then, and says when it is back. A run in training gains
  // checkpoints: a view that stands at the last of them follows.
  let lost = "";
  setInterval(async () => {
    if (document.hidden || !shown) return;
    let reason = DEAD;
    try {
      const { now, mark, place, count } = shown;
      const response = await reach("alive?" + new URLSearchParams({ now, mark }));
      if (response.status === 403) reason = UNKNOWN;
      if (response.ok) reason = "";
      if (response.status === 205 && !pending.length && shown.mark === mark) {
        window.dash_clientside.set_props("news", { data: { follow: place === count - 1, mark } });
      }
    } catch {
      // It is dead.
    }
    if (reason !== lost) window.dash_clientside.set_props("message", { children: reason });
    lost = reason;
  }, 2000);
  // The boxes of a pair. Dash's own number box forgets what it was told, and sends each box by itself.
  const operands = ["a", "b"];
  const box = (name) => document.getElementById(name);
  let sent = "null", waiting;
  const send = () => {
    clearTimeout(waiting);
    const numbers = operands.map((name) => (box(name).validity.valid && box(name).value !== "" ? +box(name).value : null));
    steppers();
    if (JSON.stringify(numbers) === sent) return;
    sent = JSON.stringify(numbers);
    window.dash_clientside.set_props("operands", { data: numbers });
  };
  const steppers = () => operands.forEach((name) => {
    const { value, min, max, previousElementSibling: down, nextElementSibling: up } = box(name);
    down.disabled = value !== "" && +value <= +min;
    up.disabled = value !== "" && +value >= +max;
  });
  const buildBoxes = () => operands.map((name) => {
    const label = element("label", `${name} `, { className: "operand" });
    const number = element("input", "", { id: name, type: "number", min: 0, step: 1, autocomplete: "off" });
    const step = (text, why, move) =>
      element("button", text, { type: "button", ariaLabel: why, onclick: () => { number[move](); send(); } });
    number.addEventListener("change", send);
    // While a number is being typed it is not asked for digit by digit.
    number.addEventListener("input", () => {
      clearTimeout(waiting);
      if (number.value !== "") waiting = setTimeout(send, 300);
    });
    label.append(step("\u2212", `${name} less 1`, "stepDown"), number, step("+", `${name} and 1`, "stepUp"));
    return label;
  });
  // Dash gives its lists of choices no names of their own.
  const NAMES = {
    page: "Page", run: "Run", speed: "Speed", loop: "Playing", heads: "Attention heads", components: "Components",
    frequencies: "Frequencies or irreps", keep: "Take out or keep", where: "Where waves are taken out",
    how: "What is put in their place", map: "What the map shows", rows: "Rows of the map", scale: "Scales",
    layer: "Layer", x: "Across", y: "Up", other_run: "Run to compare with",
  };
  // It calls its rows of boxes lists of options, which may hold nothing that takes the focus, lets a hidden box take it,
  // and gives its sliders no name. For who hears the page they are groups of boxes, and so on; once it is painted.
  const describe = () => {
    const all = (selector) => document.querySelectorAll(selector);
    for (const [id, name] of Object.entries(NAMES)) document.getElementById(id)?.setAttribute("aria-label", name);
    for (const list of all(":is(.chips, .segments, .tabs)[role=listbox]")) list.setAttribute("role", "group");
    for (const label of all(":is(.chips, .segments, .tabs) :is([role=option], [aria-selected])")) {
      label.removeAttribute("role");
      label.removeAttribute("aria-selected");
    }
    // The hidden box is what Tab finds, and hands on to its button; without it the button is found itself.
    for (const box of all(".dash-dropdown-focus-target:not([disabled])")) {
      box.disabled = true;
      box.nextElementSibling.tabIndex = 0;
    }
    for (const slider of all(".slider [role=slider]:not([aria-label])")) {
      slider.setAttribute("aria-label", slider.closest(".compare") ? "Checkpoint to compare with" : "Checkpoint");
    }
  };
  let described = true;
  new MutationObserver(() => {
    if (described) painted(() => { described = true; describe(); });
    described = false;
  }).observe(document.documentElement, { subtree: true, childList: true, attributeFilter: ["role", "aria-selected"] });
  let played = 0;
  // The space bar plays, where it does not type, press or choose.
  const OWN = "input, textarea, select, button, a, summary, [role=slider], [role=combobox], [role=listbox]";
  addEventListener("keydown", (event) => {
    if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey || event.target.closest(OWN)) return;
    event.preventDefault();
    document.getElementById("play").click();
  });
  let shift = false;
  addEventListener("pointerdown", (event) => { shift = event.shiftKey; }, true);

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    explorer: {
      // What a lasso caught, without the coordinates. A redrawn scatter reports nothing.
      lasso: (selected) => {
        if (selected === undefined) return same();
        if (selected === null) return { chosen: [], adds: false };
        if (!selected.lassoPoints && !selected.range) return same();
        const chosen = selected.points.filter((p) => p.curveNumber === 0).map((p) => p.pointNumber);
        return { chosen, adds: shift };
      },
      // A control was used, or the page was opened.
      change: async () => {
        const { inputs, states, triggered, outputs_list } = window.dash_clientside.callback_context;
        const id = (name) => name.split(".")[0];
        const mine = (asked += 1);
        pending.push(...triggered.map(({ prop_id }) => id(prop_id)).filter((name) => name));
        const answer = await ask({
          used: pending,
          hold: Object.fromEntries(Object.entries(inputs).map(([name, value]) => [id(name), value])),
          history: shown || states["history.data"],
          message: states["message.children"],
        });
        // An answer is what differs from the view that is shown: one that was overtaken is not drawn, and one that is
        // drawn counts from here on, since Dash forgets it where the next click comes before it has been told.
        if (mine < asked) return outputs_list.map(same);
        pending = [];
        if (answer.told.history) shown = answer.told.history.data;
        // The numbers and the map first: what is drawn in the same breath delays them.
        if (answer.numbers) tiles("numbers", answer.numbers);
        if (answer.table) map(answer.table);
        await new Promise(painted);
        Object.entries(answer.rest).forEach(([id, props]) => window.dash_clientside.set_props(id, props));
        const told = ({ id, property }) => (property in (answer.told[id] || {}) ? answer.told[id][property] : same());
        return outputs_list.map(told);
      },
      // A box in which somebody types keeps what stands there.
      boxes: (data) => {
        if (!data) return same();
        const home = document.getElementById("operand-boxes");
        if (!home.firstChild) home.append(...buildBoxes());
        operands.forEach((name, i) => {
          box(name).max = data.sizes[i] - 1;
          if (box(name) !== document.activeElement && data.pair) box(name).value = data.pair[i];
        });
        sent = JSON.stringify(data.pair);
        steppers();
        return same();
      },
      compared: (numbers) => {
        if (numbers) Object.entries(numbers).forEach(([id, found]) => tiles(id, found));
      },
      // The address follows the state, so that it can be shared and reloaded.
      address: (data) => {
        const query = data && data.now;
        if (data) painted(() => history.replaceState(null, "", location.pathname + (query ? "?" + query : "")));
        return same();
      },
      page: (page) => page || "overview",
      play: (clicks, disabled) => {
        if (!clicks) return [same(), same()];
        played = 0;
        return [!disabled, disabled ? "Pause" : "Play"];
      },
      speed: (milliseconds) => milliseconds,
      // The next checkpoint, once the last one is drawn. Without the loop it ends at the last, from where it starts anew.
      tick: (n, value, max, history, loop) => {
        if (!history || history.place !== value) return same();
        played += 1;
        if (value < max) return value + 1;
        if (loop.length || played === 1) return 0;
        window.dash_clientside.set_props("tick", { disabled: true });
        window.dash_clientside.set_props("play", { children: "Play" });
        return same();
      },
      // For the last row of a class. Plotly measures its panels anew.
      large: (clicks) => {
        if (clicks) document.documentElement.classList.toggle("large");
        if (clicks) window.dispatchEvent(new Event("resize"));
        return document.documentElement.classList.contains("large") ? "pressed" : "";
      },
      copyPython: (clicks) => {
        if (clicks) copy("copy-python", document.getElementById("python-code").textContent);
        return same();
      },
      copyLink: (clicks) => {
        if (clicks) copy("copy-link", location.href);
        return same();
      },
      // The section's text comes from the server, its pictures are what is on the screen.
      exported: async (data) => {
        if (!data) return same();
        const figures = [];
        for (const [id, caption] of data.figures) {
          const drawn = graph(id);
          if (!drawn || !drawn.offsetParent || !drawn.data.length) continue;
          const image = await window.Plotly.toImage(drawn, { format: "svg", width: 520, height: 420 });
          figures.push(`<figure><img alt="${caption}" src="${image}"><figcaption>${caption}</figcaption></figure>`);
        }
        // Of a page without pictures there is no block to be empty.
        const block = figures.length ? `<div class="figures">${figures.join("\n")}</div>` : "";
        save(data.name, data.html.replace("<!--figures-->", () => block), "text/html");
        return same();
      },
    },
  });
})();
