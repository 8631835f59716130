"use strict";
// Page: what is chosen, asked of the pool and shown; and `window.grokinterp.evaluate` for whoever wants the numbers.

const data = JSON.parse(document.getElementById("data").textContent);
const pool = new Pool(data, document.getElementById("engine").textContent);
const { model, table, checkpoints, curves } = data;
const $ = (id) => document.getElementById(id);
const state = { checkpoint: checkpoints.length - 1, heads: new Set(), neurons: new Set(), frequencies: new Set(), where: "embedding", how: "zero", row: data.example };
const pairs = (keys) => [...keys].map((key) => key.split(".").map(Number)).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
const operands = table.operands && { operands: wholeNumbers(table.operands), sizes: table.sizes };
const rowOf = new Map(operands ? Array.from({ length: table.rows }, (_, i) => [`${operands.operands[2 * i]},${operands.operands[2 * i + 1]}`, i]) : []);
const deep = (sizes) => sizes.length > 1;

window.grokinterp = {
  checkpoints: checkpoints.map(({ step }) => step),
  evaluate: async (given) => (await pool.ask(checked(data, given))).after.numbers,
};

function requestOf() {
  return { checkpoint: state.checkpoint, heads: pairs(state.heads), neurons: pairs(state.neurons), frequencies: [...state.frequencies].sort((a, b) => a - b), where: state.where, how: state.how };
}

// Only the newest request is shown; those that came while one was computed are passed over.
let newest = 0;
async function update() {
  const mine = ++newest;
  drawControls();
  drawTraining();
  await null;
  await pool.last.catch(() => null);
  if (mine !== newest) return;
  const begun = performance.now();
  document.body.setAttribute("aria-busy", "true");
  try {
    const answer = await pool.ask({ ...checked(data, requestOf()), row: state.row });
    if (mine !== newest) return;
    $("message").textContent = "";
    show(answer);
  } catch (error) {
    $("message").textContent = error.message;
  }
  document.body.setAttribute("aria-busy", "false");
  document.body.dataset.milliseconds = Math.round(performance.now() - begun);
  document.body.dataset.shown = mine;
}

function show({ before, after }) {
  const sides = table.train === null ? ["all"] : ["train", "test"];
  $("numbers").replaceChildren(...["loss", "accuracy"].flatMap((name) => sides.map((side) => {
    const was = before.numbers[`${side}_${name}`], is = after.numbers[`${side}_${name}`];
    const tile = element("div", { class: "tile" });
    tile.append(element("span", { class: "label" }, `${side === "all" ? "all rows" : side} ${name}${name === "loss" ? " (nats)" : ""}`));
    tile.append(element("output", { id: `${side}-${name}`, title: String(is) }, written(is, name === "loss")));
    tile.append(element("span", { class: "was" }, `as trained ${written(was, name === "loss")}`));
    return tile;
  })));
  const labels = pool.table.labels;
  const fates = Array.from(labels, (label, i) => fateOf(before.predicted[i], after.predicted[i], label));
  const counts = FATES.map((_, fate) => fates.filter((each) => each === fate).length);
  $("fates").replaceChildren(...FATES.map(({ name, colour }, i) => {
    const item = element("li");
    item.append(element("i", { style: `background: rgba(${colour[0]}, ${colour[1]}, ${colour[2]}, ${colour[3] / 255})` }), `${name}: ${grouped(counts[i])}`);
    return item;
  }));
  if (operands) drawMap($("map"), operands, fates, state.row);
  drawLogits($("logits"), before.logits, after.logits, labels[state.row]);
  const where = operands ? `a = ${operands.operands[2 * state.row]}, b = ${operands.operands[2 * state.row + 1]}` : `row ${state.row}`;
  const kind = table.train === null ? "" : pool.table.train[state.row] ? ", trained on" : ", a test row";
  const is = after.predicted[state.row], was = before.predicted[state.row];
  $("pair-said").textContent = `${where}${kind}. The right answer is ${labels[state.row]}. As trained the model says ${was}${is === was ? ", and so it does now." : `; with the parts taken out, ${is}.`}`;
  $("shown-right").textContent = `${grouped(counts[0] + counts[2])} of ${grouped(table.rows)} rows are right`;
}

// -- training

function drawTraining() {
  const now = checkpoints[state.checkpoint].step;
  $("step").value = state.checkpoint;
  $("step").setAttribute("aria-valuetext", `step ${now}`);
  $("step-label").textContent = `step ${grouped(now)}, checkpoint ${state.checkpoint + 1} of ${checkpoints.length} in this file`;
  const steps = checkpoints.map(({ step }) => step);
  const go = (wanted) => {
    state.checkpoint = steps.reduce((best, step, i) => (Math.abs(step - wanted) < Math.abs(steps[best] - wanted) ? i : best), 0);
    update();
  };
  for (const [name, title, isLog] of [["loss", "loss (nats), log scale", true], ["accuracy", "accuracy", false]]) {
    const lines = ["train", "test"].filter((side) => curves[`${side}_${name}`]).map((side) => ({ kind: side, ...curves[`${side}_${name}`] }));
    $(`${name}-curve`).hidden = !lines.length;
    if (lines.length) drawCurves($(`${name}-curve`), { title, lines, isLog, steps, now, go });
  }
}

let playing = null;
function play() {
  clearInterval(playing);
  playing = playing ? null : setInterval(() => {
    if (document.body.getAttribute("aria-busy") === "true") return;
    state.checkpoint = (state.checkpoint + 1) % checkpoints.length;
    update();
  }, Number($("speed").value));
  $("play").textContent = playing ? "Pause" : "Play";
}

// -- what is taken out

function toggle(set, key) {
  if (!set.delete(key)) set.add(key);
  update();
}

function buttons(place, entries, set) {
  place.replaceChildren(...entries.map(([key, text, name]) => {
    const button = element("button", { type: "button", "data-key": key, "aria-label": name, title: name }, text);
    button.addEventListener("click", () => toggle(set, key));
    return button;
  }));
}

function drawControls() {
  for (const [id, set] of [["heads", state.heads], ["frequencies", state.frequencies], ["neurons", state.neurons]])
    for (const button of $(id).querySelectorAll("button")) {
      const key = id === "frequencies" ? Number(button.dataset.key) : button.dataset.key;
      button.setAttribute("aria-pressed", set.has(key));
    }
  $("neurons-text").value = rangesOf(pairs(state.neurons));
  const n = state.heads.size + state.neurons.size + state.frequencies.size;
  $("taken").textContent = n ? `${n} taken out` : "nothing is taken out";
  $("where").value = state.where;
  $("how").value = state.how;
  $("python").textContent = snippet();
}

// Neighbours together, as in 0.3~7,0.12; the layer may be left out where there is one.
function rangesOf(chosen) {
  const parts = [];
  for (const [layer, index] of chosen) {
    const last = parts[parts.length - 1];
    if (last && last[0] === layer && last[2] === index - 1) last[2] = index;
    else parts.push([layer, index, index]);
  }
  return parts.map(([layer, first, last]) => `${deep(model.neurons) ? `${layer}.` : ""}${first}${last > first ? `–${last}` : ""}`).join(", ");
}

function readNeurons(text) {
  const chosen = new Set();
  for (const part of text.split(/[,;\s]+/).filter(Boolean)) {
    const match = /^(?:(\d+)\.)?(\d+)(?:[-–~](\d+))?$/.exec(part);
    if (!match) throw new BadRequest(`“${part}” names no neurons; write 17, 20–30${deep(model.neurons) ? " or 1.17 (layer.neuron)" : ""}`);
    const [, layer = "0", first, last = first] = match;
    if (!(layer in model.neurons) || Number(last) >= model.neurons[layer]) throw new BadRequest(`there is no neuron ${part}; they are 0 to ${(model.neurons[layer] ?? model.neurons[0]) - 1}`);
    for (let m = Number(first); m <= Number(last); m++) chosen.add(`${Number(layer)}.${m}`);
  }
  return chosen;
}

function snippet() {
  const { heads, neurons, frequencies, where, how } = requestOf();
  const tuples = (list) => `[${list.map(([layer, index]) => `(${layer}, ${index})`).join(", ")}]`;
  const parts = [];
  if (heads.length) parts.push(`heads=${tuples(heads)}`);
  if (neurons.length) parts.push(`neurons=${tuples(neurons)}`);
  if (frequencies.length) parts.push(`frequencies=[${frequencies.join(", ")}]`, `where="${where}"`);
  if (parts.length && how !== "zero") parts.push(`how="${how}"`);
  const step = checkpoints[state.checkpoint].step;
  const first = `import grokinterp as gi\n\nrun = ${data.opening}\nmodel = run[${step}].model()\n`;
  return parts.length ? `${first}with gi.ablate(model, ${parts.join(", ")}):\n    print(gi.evaluate(model))` : `${first}print(gi.evaluate(model))`;
}

function start() {
  const heads = Array(model.heads ? model.layers : 0).fill(model.heads);
  buttons($("heads"), heads.flatMap((n, layer) => Array.from({ length: n }, (_, h) => [`${layer}.${h}`, deep(heads) ? `${layer}.${h}` : `${h}`, `head ${h} of layer ${layer}`])), state.heads);
  const waves = table.waves ? Math.floor(table.waves.cycle / 2) : 0;
  buttons($("frequencies"), Array.from({ length: waves }, (_, k) => [k + 1, `${k + 1}`, `frequency ${k + 1}`]), state.frequencies);
  buttons($("neurons"), model.neurons.flatMap((n, layer) => Array.from({ length: n }, (_, m) => [`${layer}.${m}`, "", `neuron ${m} of layer ${layer}`])), state.neurons);
  for (const [id, has] of [["heads", heads.length], ["neurons", model.neurons.length]]) $(`${id}-part`).hidden = !has;
  $("frequencies-why").textContent = table.waves ? "" : table.why_no_waves;
  $("where-part").hidden = !table.waves;
  for (const option of $("where").options) option.disabled = option.value !== "embedding" && !(table.waves && table.waves.index);
  $("where").addEventListener("change", () => { state.where = $("where").value; update(); });
  $("how").addEventListener("change", () => { state.how = $("how").value; update(); });
  $("clear").addEventListener("click", () => { for (const set of [state.heads, state.neurons, state.frequencies]) set.clear(); update(); });
  $("step").max = checkpoints.length - 1;
  $("step").addEventListener("input", () => { state.checkpoint = Number($("step").value); update(); });
  $("play").addEventListener("click", play);
  $("speed").addEventListener("change", () => { if (playing) { play(); play(); } });
  $("neurons-text").addEventListener("change", () => {
    try {
      state.neurons.clear();
      for (const key of readNeurons($("neurons-text").value)) state.neurons.add(key);
      update();
    } catch (error) {
      $("message").textContent = error.message;
    }
  });
  // One stop for the keyboard in the field of neurons; the arrows go on from there.
  const cells = [...$("neurons").querySelectorAll("button")];
  cells.forEach((cell, i) => { cell.tabIndex = i ? -1 : 0; });
  $("neurons").addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = move && cells[cells.indexOf(document.activeElement) + move];
    if (next) { document.activeElement.tabIndex = -1; next.tabIndex = 0; next.focus(); event.preventDefault(); }
  });
  startMap();
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || ["BUTTON", "INPUT", "SELECT", "SUMMARY"].includes(document.activeElement.tagName)) return;
    event.preventDefault();
    play();
  });
  window.addEventListener("resize", () => { drawTraining(); });
  update();
}

function startMap() {
  $("map-part").hidden = !operands;
  $("pair-boxes").hidden = !operands;
  if (!operands) return;
  const [high, wide] = table.sizes, canvas = $("map");
  const look = (a, b) => {
    const row = rowOf.get(`${a},${b}`);
    $("pair-why").textContent = row === undefined ? `the table has no row a = ${a}, b = ${b}; a is 0 to ${high - 1}, b 0 to ${wide - 1}` : "";
    if (row === undefined) return;
    state.row = row;
    $("a").value = a;
    $("b").value = b;
    update();
  };
  $("a").max = high - 1;
  $("b").max = wide - 1;
  $("a").value = operands.operands[2 * state.row];
  $("b").value = operands.operands[2 * state.row + 1];
  for (const box of [$("a"), $("b")]) box.addEventListener("change", () => look(Number($("a").value), Number($("b").value)));
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    look(Math.floor(((event.clientY - box.top) / box.height) * high), Math.floor(((event.clientX - box.left) / box.width) * wide));
  });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
    if (!move) return;
    event.preventDefault();
    look(Number($("a").value) + move[0], Number($("b").value) + move[1]);
  });
}

start();
