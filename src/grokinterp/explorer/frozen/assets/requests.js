"use strict";
// Requests: what is asked to be taken out, refused in one line where the model does not have it.

class BadRequest extends Error {}

const DEFAULTS = { checkpoint: -1, heads: [], neurons: [], frequencies: [], where: "embedding", how: "zero" };

function checked(data, given = {}) {
  const refuse = (line) => {
    throw new BadRequest(line);
  };
  if (given === null || typeof given !== "object" || Array.isArray(given)) refuse("evaluate takes an object, as in evaluate({heads: [[0, 1]]})");
  for (const name of Object.keys(given))
    if (!(name in DEFAULTS)) refuse(`${name} is unknown; evaluate takes ${Object.keys(DEFAULTS).join(", ")}`);
  const asked = { ...DEFAULTS, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
  const n = data.checkpoints.length;
  if (!Number.isInteger(asked.checkpoint) || asked.checkpoint < -n || asked.checkpoint >= n)
    refuse(`checkpoint ${shown(asked.checkpoint)} is not in this file; give 0 to ${n - 1}, or -${n} to -1 from the end`);
  const { model, table } = data;
  const heads = Array(model.heads ? model.layers : 0).fill(model.heads);
  const request = {
    heads: pairsOf("head", asked.heads, heads, refuse),
    neurons: pairsOf("neuron", asked.neurons, model.neurons, refuse),
    frequencies: frequenciesOf(table, asked.frequencies, refuse),
    where: asked.where,
    how: asked.how,
  };
  const places = ["embedding", "mlp", "logits"];
  if (!places.includes(asked.where)) refuse(`where=${shown(asked.where)} is unknown; choose of ${places.join(", ")}`);
  if (asked.how === "resample") refuse('how="resample" draws rows as Python does, which a page cannot; use gi.ablate, or "zero" or "mean" here');
  if (asked.how !== "zero" && asked.how !== "mean") refuse(`how=${shown(asked.how)} is unknown; choose of zero, mean`);
  if (request.frequencies.length && asked.where !== "embedding" && !table.waves.index)
    refuse(`the answers ride on no single wave, so where=${shown(asked.where)} has none to remove; use where="embedding"`);
  return { checkpoint: (asked.checkpoint + n) % n, request };
}

function shown(value) {
  return JSON.stringify(value) ?? String(value);
}

function pairsOf(noun, given, sizes, refuse) {
  const isPair = (pair) => Array.isArray(pair) && pair.length === 2 && pair.every(Number.isInteger);
  if (!Array.isArray(given) || !given.every(isPair)) refuse(`${noun}s=${shown(given)} must be [layer, ${noun}] pairs, as in ${noun}s: [[0, 1]]`);
  for (const [layer, index] of given) {
    if (!sizes.length) refuse(`this model has no ${noun}s; leave ${noun}s out`);
    if (layer < 0 || layer >= sizes.length) refuse(`${noun} ${shown([layer, index])} names layer ${layer}; the layers are 0 to ${sizes.length - 1}`);
    if (index < 0 || index >= sizes[layer]) refuse(`layer ${layer} has no ${noun} ${index}; its ${noun}s are 0 to ${sizes[layer] - 1}`);
  }
  return [...new Map(given.map((pair) => [pair.join(), pair])).values()];
}

function frequenciesOf(table, given, refuse) {
  if (!Array.isArray(given) || !given.every(Number.isInteger)) refuse(`frequencies=${shown(given)} must be whole numbers, as in frequencies: [14]`);
  if (given.length && !table.waves) refuse(`no frequencies can be taken out: ${table.why_no_waves}`);
  const most = table.waves ? Math.floor(table.waves.cycle / 2) : 0;
  for (const k of given)
    if (k < 1 || k > most) refuse(`frequency ${k} is not between 1 and ${most}, the waves on a cycle of ${table.waves.cycle}`);
  return [...new Set(given)].sort((a, b) => a - b);
}
