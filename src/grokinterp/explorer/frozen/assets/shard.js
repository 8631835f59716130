"use strict";
// Shard: a part of the table's rows, in a worker of its own or in the page.

class Shard {
  constructor({ model, table, first, rows }, exchange) {
    Object.assign(this, { model, table, first, rows, exchange, engines: new Map() });
  }

  async evaluate({ checkpoint, weights, request, row }) {
    if (weights) {
      if (this.engines.size > 2) this.engines.clear();
      const isFolded = this.model.kind === "embedding_mlp" || (this.model.layers === 1 && !this.model.has_norms);
      this.engines.set(checkpoint, new (isFolded ? Folded : Layered)(this, weights));
    }
    const engine = this.engines.get(checkpoint);
    if (weights) engine.trained = await this.scored(engine, { heads: [], neurons: [], frequencies: [], where: "embedding", how: "zero", isClean: true });
    const after = isEmpty(request) ? engine.trained : await this.scored(engine, request);
    return { first: this.first, before: this.told(engine.trained, row), after: this.told(after, row) };
  }

  async scored(engine, request) {
    const logits = await engine.logits(request);
    if (request.frequencies.length && request.where === "logits") await takeWaves(logits, this.model.columns, this, request);
    return { logits, ...score(logits, this) };
  }

  // What the page needs of it: logits of one row only.
  told({ logits, sums, predicted }, row) {
    const at = (row - this.first) * this.model.columns;
    const isHere = row >= this.first && row < this.first + this.rows;
    return { sums, predicted, logits: isHere ? Array.from(logits.subarray(at, at + this.table.answers)) : null };
  }
}

function isEmpty(request) {
  return !(request.heads.length || request.neurons.length || request.frequencies.length);
}

// Cross-entropy in nats over the answers' columns, and the first largest of them, by side of the split.
function score(logits, { table, model, first, rows }) {
  const sums = { train: { loss: 0, right: 0 }, test: { loss: 0, right: 0 } };
  const predicted = new Uint16Array(rows);
  for (let i = 0; i < rows; i++) {
    const start = i * model.columns;
    let best = 0, sum = 0;
    for (let j = 1; j < table.answers; j++) if (logits[start + j] > logits[start + best]) best = j;
    const highest = logits[start + best];
    for (let j = 0; j < table.answers; j++) sum += Math.exp(logits[start + j] - highest);
    const label = table.labels[first + i];
    const side = sums[table.train[first + i] ? "train" : "test"];
    side.loss += Math.log(sum) + highest - logits[start + label];
    side.right += best === label ? 1 : 0;
    predicted[i] = best;
  }
  return { sums, predicted };
}

// Several shards go through a request side by side; where one needs what all know, each waits for the sum.
function serve(post) {
  let shard = null, waiting = null;
  const exchange = (part) => new Promise((resolve) => {
    waiting = resolve;
    post({ part });
  });
  return async ({ start, sum, evaluate }) => {
    if (start) shard = new Shard(start, exchange);
    if (sum) waiting(sum);
    if (evaluate) {
      try {
        post({ result: await shard.evaluate(evaluate) });
      } catch (error) {
        post({ failure: String(error) });
      }
    }
  };
}
