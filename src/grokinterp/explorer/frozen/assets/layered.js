"use strict";
// Layered: a transformer of any depth, with or without norms, layer by layer through every row of the shard.

const CHUNK = 64;
const NORM_EPS = 1e-5;

class Layered {
  constructor(shard, weights) {
    Object.assign(this, { shard, weights, model: shard.model, means: {} });
    const { model } = this;
    this.layers = Array.from({ length: model.layers }, (_, layer) => ({
      Q: headsOf(model, weights, layer, "Q"), K: headsOf(model, weights, layer, "K"), V: headsOf(model, weights, layer, "V"),
    }));
  }

  async logits(request) {
    const { shard, model, weights } = this, d = model.width, n = shard.rows;
    let x = this.embedded(request);
    for (let layer = 0; layer < model.layers; layer++) {
      const queries = layer === model.layers - 1 ? [shard.table.position] : [...Array(shard.table.width).keys()];
      x = await this.attention(x, layer, queries, request);
      if (model.neurons.length) x = await this.neurons(x, layer, queries.length, request);
    }
    if (weights["ln_final.w"]) x = this.normalised(x, "ln_final");
    const logits = product(x, unembeddingOf(model, weights), n, d, model.columns);
    return addBias(logits, weights["unembed.b_U"], n, model.columns);
  }

  embedded(request) {
    const { shard, model, weights } = this, { table } = shard, d = model.width, S = table.width;
    const [W_E] = embeddingsOf(model, table, weights, request), W_pos = weights["pos_embed.W_pos"];
    const x = new Float32Array(shard.rows * S * d);
    for (let i = 0; i < shard.rows * S; i++) {
      const token = table.inputs[shard.first * S + i], s = i % S;
      for (let j = 0; j < d; j++) x[i * d + j] = model.embedding_scale * W_E[token * d + j] + (W_pos ? W_pos[s * d + j] : 0);
    }
    return x;
  }

  // Rows of d numbers, each with mean 0 (LayerNorm) and deviation 1, times w, plus b.
  normalised(x, name) {
    const d = this.model.width, out = new Float32Array(x.length);
    const w = this.weights[`${name}.w`], b = this.weights[`${name}.b`];
    for (let start = 0; start < x.length; start += d) {
      let mean = 0, square = 0;
      if (b) for (let j = 0; j < d; j++) mean += x[start + j] / d;
      for (let j = 0; j < d; j++) square += (x[start + j] - mean) ** 2 / d;
      const scale = Math.sqrt(square + NORM_EPS);
      for (let j = 0; j < d; j++) out[start + j] = ((x[start + j] - mean) / scale) * w[j] + (b ? b[j] : 0);
    }
    return out;
  }

  // The stream [row query d] with what attention writes; each sublayer's output is added, then normed where "post".
  async attention(x, layer, queries, request) {
    const { shard, model, weights } = this, { width: d, heads: H, head_size: e } = model;
    const S = shard.table.width, n = shard.rows, T = queries.length, name = `blocks.${layer}`;
    const input = model.normalization === "pre" ? this.normalised(x, `${name}.ln1`) : x;
    const gone = ofLayer(request.heads, layer).flatMap((h) => Array.from({ length: e }, (_, j) => h * e + j));
    const columns = queries.flatMap((_, t) => gone.map((j) => t * H * e + j));
    const through = (part, rows, count) => addBias(product(rows, this.layers[layer][part], count, d, H * e), weights[`${name}.attn.b_${part}`], count, H * e);
    const out = new Float32Array(n * T * d), z = new Float32Array(n * T * H * e);
    for (let first = 0; first < n; first += CHUNK) {
      const count = Math.min(CHUNK, n - first), rows = input.subarray(first * S * d, (first + count) * S * d);
      const asking = new Float32Array(count * T * d);
      for (let i = 0; i < count; i++)
        queries.forEach((q, t) => asking.set(rows.subarray((i * S + q) * d, (i * S + q + 1) * d), (i * T + t) * d));
      const q = through("Q", asking, count * T), k = through("K", rows, count * S), v = through("V", rows, count * S);
      for (let i = 0; i < count; i++)
        queries.forEach((place, t) => this.read(q, k, v, z.subarray(((first + i) * T + t) * H * e), i * T + t, i * S, place));
    }
    if (request.isClean) this.means[`z${layer}`] = await meansOf(z, T * H * e, shard);
    replaceColumns(z, T * H * e, n, columns, request.how === "mean" ? this.means[`z${layer}`] : null);
    for (let i = 0; i < n; i++)
      queries.forEach((q, t) => out.set(x.subarray((i * S + q) * d, (i * S + q + 1) * d), (i * T + t) * d));
    addBias(addProduct(out, z, weights[`${name}.attn.W_O`], n * T, H * e, d), weights[`${name}.attn.b_O`], n * T, d);
    return model.normalization === "post" ? this.normalised(out, `${name}.ln1`) : out;
  }

  // One query of one row: z [head e], the heads' patterns over the values.
  read(q, k, v, z, query, start, place) {
    const { model, shard } = this, { heads: H, head_size: e, attention_rate: rate } = model;
    const sources = model.attention_direction === "causal" ? place + 1 : shard.table.width, pattern = new Float64Array(sources);
    for (let h = 0; h < H; h++) {
      let highest = -Infinity, sum = 0;
      for (let s = 0; s < sources; s++) {
        let score = 0;
        for (let j = h * e; j < h * e + e; j++) score += q[query * H * e + j] * k[(start + s) * H * e + j];
        pattern[s] = score / Math.sqrt(e);
        highest = Math.max(highest, pattern[s]);
      }
      for (let s = 0; s < sources; s++) sum += pattern[s] = Math.exp(pattern[s] - highest);
      for (let j = h * e; j < h * e + e; j++) {
        let value = 0;
        for (let s = 0; s < sources; s++) value += ((pattern[s] / sum) * rate + 1 - rate) * v[(start + s) * H * e + j];
        z[j] = value;
      }
    }
  }

  async neurons(x, layer, T, request) {
    const { shard, model, weights } = this, d = model.width, m = model.neurons[layer], n = shard.rows;
    const name = `blocks.${layer}`, input = model.normalization === "pre" ? this.normalised(x, `${name}.ln2`) : x;
    const post = addBias(product(input, weights[`${name}.mlp.W_in`], n * T, d, m), weights[`${name}.mlp.b_in`], n * T, m);
    activate(post, model.activation);
    // A neuron at each of the row's positions is a column: [row, position m].
    const everywhere = request.neurons.flatMap(([at, j]) => Array.from({ length: T }, (_, t) => [at, t * m + j]));
    await editNeurons(post, T * m, layer, shard, { ...request, neurons: everywhere }, this.means);
    addBias(addProduct(x, post, weights[`${name}.mlp.W_out`], n * T, m, d), weights[`${name}.mlp.b_out`], n * T, d);
    return model.normalization === "post" ? this.normalised(x, `${name}.ln2`) : x;
  }
}
