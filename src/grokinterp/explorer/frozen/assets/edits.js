"use strict";
// Edits: waves over a cycle taken out of what has a value for each place, and neurons exchanged for zero or a mean.

// [i - j]: the projection on cosine and sine of the frequencies, between two places of a cycle.
function kernelOf(frequencies, cycle) {
  const kernel = new Float64Array(cycle);
  for (const k of new Set(frequencies)) {
    const share = 2 * k === cycle ? 1 / cycle : 2 / cycle;
    for (let i = 0; i < cycle; i++) kernel[i] += share * Math.cos((2 * Math.PI * ((k * i) % cycle)) / cycle);
  }
  return kernel;
}

// [place m] -> [place m]: its part along the waves.
function alongWaves(x, kernel, m) {
  const n = kernel.length, out = new Float64Array(n * m);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const share = kernel[(i - j + n) % n];
      for (let e = 0; e < m; e++) out[i * m + e] += share * x[j * m + e];
    }
  return out;
}

// An embedding [token d] without the frequencies of its numbers; other tokens stay.
function withoutFrequencies(W_E, d, waves, blocks, frequencies) {
  const kernel = kernelOf(frequencies, waves.cycle), edited = Float32Array.from(W_E);
  for (const first of blocks) {
    const x = new Float64Array(waves.cycle * d);
    waves.tokens.forEach((token, i) => {
      for (let e = 0; e < d; e++) x[i * d + e] = W_E[(first + token) * d + e];
    });
    const part = alongWaves(x, kernel, d);
    waves.tokens.forEach((token, i) => {
      for (let e = 0; e < d; e++) edited[(first + token) * d + e] -= part[i * d + e];
    });
  }
  return edited;
}

// The embeddings' tables as a request leaves them, by the names of the weights.
function embeddingsOf(model, table, weights, request) {
  const take = request.frequencies.length > 0 && request.where === "embedding";
  return model.tables.map((name, i) => {
    const W_E = weights[`${name}.W_E`];
    return take ? withoutFrequencies(W_E, model.width, table.waves, table.waves.blocks[i], request.frequencies) : W_E;
  });
}

// What stands along the waves of the table in x [row m], by place [place m], once all shards have added theirs.
async function alongTable(x, m, shard, request) {
  const { cycle, index } = shard.table.waves;
  const sums = new Float64Array(cycle * m);
  for (let i = 0; i < shard.rows; i++) {
    const place = index[shard.first + i];
    if (place >= 0) for (let j = 0; j < m; j++) sums[place * m + j] += x[i * m + j];
  }
  const whole = await shard.exchange(sums);
  const part = alongWaves(whole, kernelOf(request.frequencies, cycle), m);
  return part.map((value) => value / cycle);
}

// x [row m] without its part along the waves over the whole table.
async function takeWaves(x, m, shard, request) {
  const part = await alongTable(x, m, shard, request);
  const { index } = shard.table.waves;
  for (let i = 0; i < shard.rows; i++) {
    const place = index[shard.first + i];
    if (place >= 0) for (let j = 0; j < m; j++) x[i * m + j] -= part[place * m + j];
  }
}

function ofLayer(pairs, layer) {
  return pairs.filter(([at]) => at === layer).map(([, index]) => index);
}

// x [row m] with some of its columns zero, or the mean that `reference` [m] has.
function replaceColumns(x, m, n, columns, reference) {
  for (const j of columns) {
    const value = reference ? reference[j] : 0;
    for (let i = 0; i < n; i++) x[i * m + j] = value;
  }
}

async function meansOf(x, m, shard) {
  const sums = new Float64Array(m);
  for (let i = 0; i < shard.rows; i++) for (let j = 0; j < m; j++) sums[j] += x[i * m + j];
  const whole = await shard.exchange(sums);
  return whole.map((value) => value / shard.table.rows);
}

// What neurons [row m] of a layer go on as, and (in the model as it was trained) their mean for later requests.
async function editNeurons(x, m, layer, shard, request, means) {
  if (request.isClean) means[`mlp${layer}`] = await meansOf(x, m, shard);
  if (request.frequencies.length && request.where === "mlp") await takeWaves(x, m, shard, request);
  const chosen = ofLayer(request.neurons, layer);
  if (chosen.length) replaceColumns(x, m, shard.rows, chosen, request.how === "mean" ? means[`mlp${layer}`] : null);
}
