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
  // What is kept for some epochs only is that of the latest one before: which, for every epoch.
  const latest = (parts) => {
    const epochs = Object.keys(parts).map(Number);
    const before = (epoch) => Math.max(...epochs.filter((kept) => kept <= epoch), Math.min(...epochs));
    return Array.from({ length: entry.epochs + 1 }, (_, epoch) => before(epoch));
  };
  const kept = { means: latest(entry.means), errors: latest(entry.errors), decoders: latest(entry.decoders) };
  const points = read(entry.points);
  const embedding = (epoch) => read(entry.embeddings[epoch]);
  const knots = (epoch) => read(entry.means[kept.means[epoch]]);
  const [rows, columns] = Object.values(entry.means)[0].shape;
  // Between two epochs everything moves on straight lines.
  const between = (get, time) => {
    const [from, to] = [get(Math.floor(time)), get(Math.ceil(time))];
    return from === to ? from : from.map((value, i) => mix(value, to[i], time - Math.floor(time)));
  };
  let table, tableTime; // one frame asks for hundreds of points at one time
  /** The encoder's means at (a, b), between the knots of the table of exact images, as `packing.interpolate`. */
  const means = ([a, b], time) => {
    if (tableTime !== time) [table, tableTime] = [between(knots, time), time];
    const x = clamp((a - ranges.a[0]) / (ranges.a[1] - ranges.a[0]), 0, 1) * (columns - 1);
    const y = clamp((b - ranges.b[0]) / (ranges.b[1] - ranges.b[0]), 0, 1) * (rows - 1);
    const [column, row] = [Math.min(Math.floor(x), columns - 2), Math.min(Math.floor(y), rows - 2)];
    const above = 3 * (row * columns + column);
    const below = above + 3 * columns;
    return [0, 1, 2].map((axis) => {
      const high = mix(table[above + axis], table[above + axis + 3], x - column);
      return mix(high, mix(table[below + axis], table[below + axis + 3], x - column), y - row);
    });
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
    others: read(entry.others),
    centre,
    reach,
    count: points.length / 2,
    means,
    embeddingAt: (time) => between(embedding, time),
    errorsEpoch: (epoch) => kept.errors[epoch],
    decoderEpoch: (epoch) => kept.decoders[epoch],
    halves: (epoch) => readPart(data, entry.decoders[epoch]),
    /** The values that colour the points, and the others, whose errors are not kept; and the colours' ends. */
    values(color, epoch) {
      if (color !== "error") {
        const of = (places) => places.filter((_, i) => i % 2 === (color === "a" ? 0 : 1));
        return { values: of(points), others: of(read(entry.others)), ends: ranges[color] };
      }
      const part = entry.errors[kept.errors[epoch]];
      return { values: read(part), others: null, ends: [part.low[0], part.high[0]] };
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
