"use strict";
// Pool: the shards, in workers made from this page's own text; in the page itself where a reader allows no workers.

const FEWEST_ROWS = 256;
const MOST_WORKERS = 8;

class Pool {
  constructor(data, source) {
    Object.assign(this, { data, source, last: Promise.resolve(), sent: [] });
    const { table, model } = data;
    const tokens = table.waves ? table.waves.tokens : [];
    this.table = {
      ...table, inputs: wholeNumbers(table.inputs), labels: wholeNumbers(table.labels),
      train: table.train === null ? new Uint8Array(table.rows) : bitsOf(table.train, table.rows),
      waves: table.waves && {
        ...table.waves, tokens,
        index: table.waves.index && wholeNumbers(table.waves.index).map((place) => place - 1),
      },
    };
    this.model = model;
  }

  async start() {
    const wanted = Math.min(navigator.hardwareConcurrency || 2, MOST_WORKERS, Math.ceil(this.table.rows / FEWEST_ROWS));
    try {
      this.peers = await this.workers(wanted);
    } catch {
      this.peers = [this.inPage()];
    }
    const each = Math.ceil(this.table.rows / this.peers.length);
    this.peers.forEach((peer, i) => {
      const first = i * each, rows = Math.max(Math.min(each, this.table.rows - first), 0);
      peer.send({ start: { model: this.model, table: this.table, first, rows } });
    });
  }

  async workers(wanted) {
    const address = URL.createObjectURL(new Blob([`${this.source}\nconst answer = serve((message) => postMessage(message));\nonmessage = ({ data }) => answer(data);\npostMessage({ ready: true });`], { type: "text/javascript" }));
    const workers = Array.from({ length: wanted }, () => new Worker(address));
    const peers = workers.map((worker) => ({ send: (message) => worker.postMessage(message), heard: null }));
    await Promise.all(workers.map((worker, i) => new Promise((resolve, reject) => {
      const tooLate = setTimeout(reject, 5000);
      worker.onerror = reject;
      worker.onmessage = () => {
        clearTimeout(tooLate);
        worker.onmessage = ({ data }) => peers[i].heard(data);
        worker.onerror = (event) => peers[i].heard({ failure: event.message });
        resolve();
      };
    })));
    return peers;
  }

  inPage() {
    const peer = { heard: null };
    const answer = serve((message) => setTimeout(() => peer.heard(message)));
    peer.send = (message) => void answer(message);
    return peer;
  }

  // One request after another: {checkpoint, request, row} -> before and after, of all rows.
  ask(asked) {
    this.last = this.last.catch(() => null).then(() => this.evaluate(asked));
    return this.last;
  }

  async evaluate({ checkpoint, request, row = 0 }) {
    this.ready ??= this.start();
    await this.ready;
    const isNew = !this.sent.includes(checkpoint);
    if (isNew && this.sent.length > 2) this.sent = [];
    const weights = isNew ? weightsOf(this.data.tensors, this.data.checkpoints[checkpoint]) : null;
    if (isNew) this.sent.push(checkpoint);
    try {
      return this.together(await this.exchanged({ checkpoint, weights, request, row }));
    } catch (failure) {
      this.sent = [];
      throw failure;
    }
  }

  exchanged(evaluate) {
    const { peers } = this;
    return new Promise((resolve, reject) => {
      let parts = [], results = [];
      peers.forEach((peer) => {
        peer.heard = ({ part, result, failure }) => {
          if (failure !== undefined) reject(new Error(failure));
          if (part) parts.push(part);
          if (result) results.push(result);
          if (parts.length === peers.length) {
            const sum = parts[0].map((_, i) => parts.reduce((total, each) => total + each[i], 0));
            parts = [];
            peers.forEach((other) => other.send({ sum }));
          }
          if (results.length === peers.length) resolve(results.sort((a, b) => a.first - b.first));
        };
        peer.send({ evaluate });
      });
    });
  }

  together(results) {
    const { table } = this;
    const n = { train: table.train.reduce((sum, bit) => sum + bit, 0) };
    n.test = table.rows - n.train;
    const whole = (which) => {
      const numbers = {};
      for (const side of ["train", "test"])
        for (const [name, field] of [["loss", "loss"], ["accuracy", "right"]]) {
          const sum = results.reduce((total, each) => total + each[which].sums[side][field], 0);
          numbers[`${side}_${name}`] = this.data.table.train === null ? NaN : sum / n[side];
          numbers[`all_${name}`] = (numbers[`all_${name}`] || 0) + sum / table.rows;
        }
      const predicted = new Uint16Array(table.rows);
      results.forEach((each) => predicted.set(each[which].predicted, each.first));
      return { numbers, predicted, logits: results.map((each) => each[which].logits).find(Boolean) || [] };
    };
    return { before: whole("before"), after: whole("after") };
  }
}
