/** What the explorer knows of a run: its numbers, from the block of bytes, and its decoder, at work beside the page. */
import { clamp, mix } from "./canvas.mjs";
import { decoding } from "./decoder.mjs";

const WHOLE = { uint8: 255, uint16: 65535 };

/** Return a part of the block of bytes: as it lies there, or as the numbers of the range it stands for. */
function readPart(data, { type, shape, start, low, high }) {
  const count = shape.reduce((product, length) => product * length, 1);
  const Kind = type === "uint8" ? Uint8Array : Uint16Array; // half floats are read by their bits
  const first = data.byteOffset + start;
  const whole = new Kind(data.buffer.slice(first, first + count * Kind.BYTES_PER_ELEMENT));
  if (!low) return whole;
  return Float64Array.from(whole, (value, i) => mix(low[i % low.length], high[i % low.length], value / WHOLE[type]));
}

/** A run's numbers, read when they are first needed. */
export function openRun(entry, data, ranges) {
  const known = new Map();
  const read = (part) => known.get(part) ?? known.set(part, readPart(data, part)).get(part);
  // What is kept for some epochs only is that of the latest one before.
  const latest = (parts, epoch) => {
    const epochs = Object.keys(parts).map(Number);
    return Math.max(...epochs.filter((kept) => kept <= epoch), Math.min(...epochs));
  };
  const points = read(entry.points);
  const embedding = (epoch) => read(entry.embeddings[epoch]);
  /** The encoder's means at (a, b), between the knots of the table of exact images, as `explorer_data.interpolate`. */
  const means = ([a, b], epoch) => {
    const part = entry.means[latest(entry.means, epoch)];
    const table = read(part);
    const [rows, columns] = part.shape;
    const x = clamp((a - ranges.a[0]) / (ranges.a[1] - ranges.a[0]), 0, 1) * (columns - 1);
    const y = clamp((b - ranges.b[0]) / (ranges.b[1] - ranges.b[0]), 0, 1) * (rows - 1);
    const [column, row] = [Math.min(Math.floor(x), columns - 2), Math.min(Math.floor(y), rows - 2)];
    return [0, 1, 2].map((axis) => {
      const at = (down, right) => table[3 * ((row + down) * columns + column + right) + axis];
      const [above, below] = [mix(at(0, 0), at(0, 1), x - column), mix(at(1, 0), at(1, 1), x - column)];
      return mix(above, below, y - row);
    });
  };
  // Between two epochs everything moves on straight lines.
  const between = (get, time) => {
    const [from, to] = [get(Math.floor(time)), get(Math.ceil(time))];
    return from === to ? from : from.map((value, i) => mix(value, to[i], time - Math.floor(time)));
  };
  const final = embedding(entry.best);
  const centre = [0, 1, 2].map((axis) => {
    const values = final.filter((_, i) => i % 3 === axis);
    return (Math.min(...values) + Math.max(...values)) / 2;
  });
  let reach = 0;
  for (let i = 0; i < final.length; i += 3) {
    reach = Math.max(reach, Math.hypot(...[0, 1, 2].map((axis) => final[i + axis] - centre[axis])));
  }
  return {
    ...entry,
    points,
    centre,
    reach,
    count: points.length / 2,
    means,
    meansAt: (parameters, time) => between((epoch) => means(parameters, epoch), time),
    embeddingAt: (time) => between(embedding, time),
    decoderEpoch: (epoch) => latest(entry.decoders, epoch),
    halves: (epoch) => readPart(data, entry.decoders[epoch]),
    /** The values that colour the points, and their ends. */
    values(color, epoch) {
      if (color !== "error") {
        const axis = color === "a" ? 0 : 1;
        return { values: points.filter((_, i) => i % 2 === axis), ends: ranges[color] };
      }
      const part = entry.errors[latest(entry.errors, epoch)];
      return { values: read(part), ends: [part.low[0], part.high[0]] };
    },
  };
}

/** Decode in a worker: the page stays free, and of the requests that come meanwhile only the latest is answered. */
export function startDecoder(shape, halves, answer) {
  const source = `const { unpack, decode } = (${decoding})();
    const known = {};
    onmessage = ({ data: { key, halves, shape, mu } }) => {
      if (halves) known[key] = unpack(halves, shape);
      const begun = performance.now();
      const image = decode(known[key], mu);
      postMessage({ image, milliseconds: performance.now() - begun });
    };`;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  const sent = new Set();
  let [busy, waiting] = [null, null];
  const send = (request) => {
    busy = request;
    const key = `${request.run} ${request.epoch}`;
    worker.postMessage({ key, mu: request.mu, shape, halves: sent.has(key) ? undefined : halves(request) });
    sent.add(key);
  };
  worker.onmessage = ({ data }) => {
    const request = busy;
    busy = null;
    if (waiting) send(waiting);
    waiting = null;
    answer(data.image, request, data.milliseconds);
  };
  return {
    ask(request) {
      if (busy) waiting = request;
      else send(request);
    },
    stop: () => worker.terminate(),
  };
}
