"use strict";
// Arrays: what a file of text holds as numbers, and products of matrices, which are rows laid one after another.

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function wholeNumbers(base64) {
  const bytes = bytesOf(base64);
  const view = new DataView(bytes.buffer);
  return Int32Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
}

function bitsOf(base64, n) {
  const bytes = bytesOf(base64);
  return Uint8Array.from({ length: n }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
}

// Whole numbers of `bits` bits each, highest bit first, times a step and from a lowest value, tensor by tensor.
function weightsOf(tensors, checkpoint) {
  const { bits, ranges } = checkpoint;
  const bytes = bytesOf(checkpoint.weights);
  const weights = {};
  let at = 0, held = 0, room = 0;
  tensors.forEach(({ name, size }, i) => {
    const [lowest, step] = ranges[i];
    const values = new Float32Array(size);
    for (let j = 0; j < size; j++) {
      while (room < bits) {
        held = held * 256 + bytes[at++];
        room += 8;
      }
      const unit = 2 ** (room - bits);
      const whole = Math.floor(held / unit);
      held -= whole * unit;
      room -= bits;
      values[j] = lowest + step * whole;
    }
    weights[name] = values;
  });
  return weights;
}

// out[n m] += x[n k] W[k m]; what is 0 in x, as half of a relu's values are, costs nothing.
function addProduct(out, x, W, n, k, m, from = 0, to = 0) {
  const row = new Float64Array(m), places = new Int32Array(k), values = new Float64Array(k);
  for (let i = 0; i < n; i++) {
    let count = 0;
    const start = from + i * k, put = to + i * m;
    for (let j = 0; j < k; j++) {
      const value = x[start + j];
      if (value !== 0) {
        places[count] = j * m;
        values[count++] = value;
      }
    }
    for (let j = 0; j < m; j++) row[j] = out[put + j];
    addRows(row, W, places, values, count, m);
    for (let j = 0; j < m; j++) out[put + j] = row[j];
  }
  return out;
}

// row[m] += sum of values times the rows of W that begin at places; four at a time, since to read `row` costs as much.
function addRows(row, W, places, values, count, m) {
  let t = 0;
  for (; t + 3 < count; t += 4) {
    const a = places[t], b = places[t + 1], c = places[t + 2], d = places[t + 3];
    const u = values[t], v = values[t + 1], w = values[t + 2], z = values[t + 3];
    for (let j = 0; j < m; j++) row[j] += u * W[a + j] + v * W[b + j] + w * W[c + j] + z * W[d + j];
  }
  for (; t < count; t++) {
    const a = places[t], u = values[t];
    for (let j = 0; j < m; j++) row[j] += u * W[a + j];
  }
}

function product(x, W, n, k, m) {
  return addProduct(new Float32Array(n * m), x, W, n, k, m);
}

// [a b c] with the first two axes exchanged.
function swapAxes(x, a, b, c) {
  const out = new Float32Array(x.length);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) out.set(x.subarray((i * b + j) * c, (i * b + j + 1) * c), (j * a + i) * c);
  return out;
}

function addBias(x, bias, n, m, times = 1) {
  if (bias) for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) x[i * m + j] += times * bias[j];
  return x;
}

// The error function, to 1.2e-7 (a Chebyshev fit to erfc).
const ERFC = [
  1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
];

function erf(x) {
  const t = 1 / (1 + Math.abs(x) / 2);
  const fit = ERFC.reduceRight((sum, c) => c + t * sum, 0);
  const rest = t * Math.exp(-x * x - 1.26551223 + t * fit);
  return x >= 0 ? 1 - rest : rest - 1;
}

const ACTIVATIONS = {
  relu: (x) => (x > 0 ? x : 0),
  gelu: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
  tanh: Math.tanh,
  silu: (x) => x / (1 + Math.exp(-x)),
  square: (x) => x * x,
};

function activate(x, name) {
  if (name === "relu") {
    for (let i = 0; i < x.length; i++) if (!(x[i] > 0)) x[i] = x[i] !== x[i] ? x[i] : 0;
    return x;
  }
  const act = ACTIVATIONS[name];
  for (let i = 0; i < x.length; i++) x[i] = act(x[i]);
  return x;
}
