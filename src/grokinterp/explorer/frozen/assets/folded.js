"use strict";
// Folded: models whose first neurons read sums of what each token gives by itself, worked out once for a token.
//
// An embedding MLP is one, and a transformer of one layer without norms: what a head moves from a token, and what that
// does to each neuron and each logit, is the same in every row; a row only weighs it by its attention.

class Folded {
  constructor(shard, weights) {
    Object.assign(this, { shard, weights, model: shard.model, means: {}, folds: new Map() });
    const { width, inputs, rows } = shard.table;
    // The tokens that occur in each column, and for each row which of them it has.
    this.slots = [];
    this.slotOf = new Int32Array(rows * width);
    for (let s = 0; s < width; s++) {
      const known = new Map();
      for (let i = 0; i < rows; i++) {
        const token = inputs[i * width + s];
        if (!known.has(token)) {
          known.set(token, this.slots.length);
          this.slots.push([s, token]);
        }
        this.slotOf[i * width + s] = known.get(token);
      }
    }
  }

  async logits(request) {
    const { shard, model, weights } = this;
    const fold = this.folded(request);
    const layers = model.neurons, n = shard.rows;
    const logits = new Float32Array(n * model.columns);
    let post = layers.length ? new Float32Array(n * layers[0]) : null;
    await this.throughTokens(request, fold, logits, post);
    for (let layer = 0; layer < layers.length; layer++) {
      if (layer) {
        const next = product(post, weights[`blocks.${layer}.mlp.W_in`], n, layers[layer - 1], layers[layer]);
        post = addBias(next, weights[`blocks.${layer}.mlp.b_in`], n, layers[layer]);
      }
      activate(post, model.activation);
      await editNeurons(post, layers[layer], layer, shard, request, this.means);
    }
    if (post) addProduct(logits, post, this.output(), n, layers[layers.length - 1], model.columns);
    return logits;
  }

  // [neuron column]: from the last neurons to the logits.
  output() {
    this.kept_output ??= this.model.kind === "transformer"
      ? product(this.weights["blocks.0.mlp.W_out"], unembeddingOf(this.model, this.weights), this.model.neurons[0], this.model.width, this.model.columns)
      : this.weights["unembed.W_U"];
    return this.kept_output;
  }

  // Kept: requests that leave the embeddings alone, and those of the same frequencies, share it.
  folded(request) {
    const name = request.where === "embedding" ? request.frequencies.join() : "";
    if (!this.folds.has(name)) {
      if (this.folds.size > 4) this.folds.clear();
      const embeddings = embeddingsOf(this.model, this.shard.table, this.weights, request);
      this.folds.set(name, this.model.kind === "transformer" ? this.foldHeads(embeddings[0]) : this.foldTokens(embeddings));
    }
    return this.folds.get(name);
  }

  // -- an embedding MLP

  foldTokens(embeddings) {
    const { model, weights, slots } = this, d = model.width, m = model.neurons[0];
    const neurons = new Float32Array(slots.length * m);
    slots.forEach(([s, token], u) => {
      const W_E = embeddings[embeddings.length > 1 ? s : 0];
      const W = weights["blocks.0.mlp.W_in"].subarray(model.combine === "concatenate" ? s * d * m : 0);
      addProduct(neurons, W_E, W, 1, d, m, token * d, u * m);
    });
    return { neurons, columns: null };
  }

  // -- a transformer of one layer

  foldHeads(W_E) {
    const { model, weights, slots } = this, { width: d, heads, head_size: e, columns: c } = model;
    const U = slots.length, H = heads, q = this.shard.table.position;
    const x = new Float32Array(U * d), W_pos = weights["pos_embed.W_pos"];
    slots.forEach(([s, token], u) => {
      for (let j = 0; j < d; j++) x[u * d + j] = model.embedding_scale * W_E[token * d + j] + (W_pos ? W_pos[s * d + j] : 0);
    });
    const through = (part) => addBias(product(x, headsOf(model, weights, 0, part), U, d, H * e), weights[`blocks.0.attn.b_${part}`], U, H * e);
    const queries = through("Q"), keys = through("K"), values = through("V");
    const asking = slots.flatMap(([s], u) => (s === q ? [u] : []));
    const scores = new Float64Array(H * asking.length * U), number = new Int32Array(U);
    asking.forEach((u, i) => {
      number[u] = i;
      for (let h = 0; h < H; h++)
        for (let v = 0; v < U; v++) {
          let sum = 0;
          for (let j = h * e; j < h * e + e; j++) sum += queries[u * H * e + j] * keys[v * H * e + j];
          scores[(h * asking.length + i) * U + v] = sum / Math.sqrt(e);
        }
    });
    // [head slot d], and behind them [slot d]: what a head writes of each token, and what a row starts with.
    const written = new Float32Array((H + 1) * U * d), W_O = weights["blocks.0.attn.W_O"];
    for (let h = 0; h < H; h++)
      for (let u = 0; u < U; u++) addProduct(written, values, W_O.subarray(h * e * d), 1, e, d, u * H * e + h * e, (h * U + u) * d);
    written.set(x, H * U * d);
    const n = (H + 1) * U;
    const m = model.neurons[0];
    const neurons = m ? product(written, weights["blocks.0.mlp.W_in"], n, d, m) : null;
    return { scores, number, asking: asking.length, values, neurons, columns: product(written, unembeddingOf(model, weights), n, d, c) };
  }

  // Fills, for each row of the shard, what the first neurons read and what goes past them to the logits.
  async throughTokens(request, fold, logits, post) {
    const { shard, model, weights } = this, { table } = shard, { width: S } = table;
    const m = model.neurons[0] || 0, c = model.columns, U = this.slots.length, H = model.heads || 0;
    const isTransformer = model.kind === "transformer";
    const gone = new Set(ofLayer(request.heads, 0));
    const { toNeurons, toLogits } = this.constants(request, gone);
    const sources = model.attention_direction === "causal" ? table.position + 1 : S;
    const pattern = new Float64Array(H * S), moved = new Float64Array(request.isClean && isTransformer ? H * U : 0);
    const terms = isTransformer ? H * S + 1 : S;
    const neuronPlaces = new Int32Array(terms), columnPlaces = new Int32Array(terms), shares = new Float64Array(terms);
    const pre = new Float64Array(m), out = new Float64Array(c);
    for (let i = 0; i < shard.rows; i++) {
      const own = this.slotOf.subarray((shard.first + i) * S, (shard.first + i + 1) * S);
      let count = 0;
      const add = (place, share) => {
        neuronPlaces[count] = place * m;
        columnPlaces[count] = place * c;
        shares[count++] = share;
      };
      if (isTransformer) {
        this.attend(fold, own, sources, pattern);
        add(H * U + own[table.position], 1);
        for (let h = 0; h < H; h++)
          for (let s = 0; s < sources; s++) {
            if (!gone.has(h)) add(h * U + own[s], pattern[h * S + s]);
            if (moved.length) moved[h * U + own[s]] += pattern[h * S + s];
          }
      } else for (let s = 0; s < S; s++) add(own[s], 1);
      if (post) {
        pre.set(toNeurons);
        addRows(pre, fold.neurons, neuronPlaces, shares, count, m);
        for (let j = 0; j < m; j++) post[i * m + j] = pre[j];
      }
      out.set(toLogits);
      if (fold.columns) addRows(out, fold.columns, columnPlaces, shares, count, c);
      for (let j = 0; j < c; j++) logits[i * c + j] = out[j];
    }
    if (moved.length) this.means.z = this.meanValues(fold, await shard.exchange(moved));
  }

  attend(fold, own, sources, pattern) {
    const { model, shard } = this, U = this.slots.length, S = shard.table.width;
    const asked = fold.number[own[shard.table.position]];
    for (let h = 0; h < model.heads; h++) {
      const start = (h * fold.asking + asked) * U;
      let highest = -Infinity, sum = 0;
      for (let s = 0; s < sources; s++) highest = Math.max(highest, fold.scores[start + own[s]]);
      for (let s = 0; s < sources; s++) sum += pattern[h * S + s] = Math.exp(fold.scores[start + own[s]] - highest);
      for (let s = 0; s < sources; s++)
        pattern[h * S + s] = (pattern[h * S + s] / sum) * model.attention_rate + 1 - model.attention_rate;
    }
  }

  // [head e]: what each head reads on average, given how much it moved of each token in all rows together.
  meanValues(fold, moved) {
    const { model, shard } = this, U = this.slots.length, { heads: H, head_size: e } = model;
    const mean = new Float32Array(H * e);
    for (let h = 0; h < H; h++)
      for (let j = h * e; j < h * e + e; j++) {
        let sum = 0;
        for (let u = 0; u < U; u++) sum += moved[h * U + u] * fold.values[u * H * e + j];
        mean[j] = sum / shard.table.rows;
      }
    return mean;
  }

  // What every row's neurons and logits start from: biases, and heads' means.
  constants(request, gone) {
    const { model, weights } = this, { width: d, columns: c } = model, m = model.neurons[0] || 0;
    const toNeurons = new Float32Array(m), toLogits = new Float32Array(c);
    const copies = model.combine === "project_then_add" ? this.shard.table.width : 1;
    if (m) addBias(toNeurons, weights["blocks.0.mlp.b_in"], 1, m, copies);
    addBias(toLogits, weights["unembed.b_U"], 1, c);
    if (model.kind === "transformer") {
      const U = unembeddingOf(model, weights), stream = addBias(new Float32Array(d), weights["blocks.0.attn.b_O"], 1, d);
      if (request.how === "mean") {
        const { head_size: e } = model;
        for (const h of gone) addProduct(stream, this.means.z, weights["blocks.0.attn.W_O"].subarray(h * e * d), 1, e, d, h * e);
      }
      if (m) addProduct(toNeurons, stream, weights["blocks.0.mlp.W_in"], 1, d, m);
      addProduct(toLogits, addBias(stream, weights["blocks.0.mlp.b_out"], 1, d), U, 1, d, c);
    }
    return { toNeurons, toLogits };
  }
}

// [d, head e]: the matrices of all heads side by side.
function headsOf(model, weights, layer, part) {
  return swapAxes(weights[`blocks.${layer}.attn.W_${part}`], model.heads, model.width, model.head_size);
}

// [d column]; a tied one reads the embedding.
function unembeddingOf(model, weights) {
  if (weights["unembed.W_U"]) return weights["unembed.W_U"];
  return swapAxes(weights["embed.W_E"].subarray(0, model.columns * model.width), model.columns, model.width, 1);
}
