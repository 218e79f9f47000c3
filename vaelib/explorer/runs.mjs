/** A run's numbers, read from the block of bytes when they are first needed. */
import { clamp, mix } from "./canvas.mjs";

const LARGEST = { uint8: 255, uint16: 65535 };

/** Return a part of the block of bytes: its integers as stored, or the numbers from `low` to `high` that they mean. */
function readPart(data, { type, shape, start, low, high }) {
  const count = shape.reduce((product, length) => product * length, 1);
  const Kind = type === "uint8" ? Uint8Array : Uint16Array; // half floats are read as their bits
  const first = data.byteOffset + start;
  const stored = new Kind(data.buffer.slice(first, first + count * Kind.BYTES_PER_ELEMENT));
  if (!low) return stored;
  return Float64Array.from(stored, (value, i) => mix(low[i % low.length], high[i % low.length], value / LARGEST[type]));
}

/** Return, for each epoch from 0 to `last`, the latest epoch of `parts` up to it, or else the first. */
function latestStored(parts, last) {
  const stored = Object.keys(parts).map(Number);
  const latest = (epoch) => Math.max(...stored.filter((earlier) => earlier <= epoch), Math.min(...stored));
  return Array.from({ length: last + 1 }, (_, epoch) => latest(epoch));
}

/** Return the values of `valuesAt` at a time between two epochs: everything moves on straight lines. */
function mixEpochs(valuesAt, time) {
  const [from, to] = [valuesAt(Math.floor(time)), valuesAt(Math.ceil(time))];
  return from === to ? from : from.map((value, i) => mix(value, to[i], time - Math.floor(time)));
}

/** Return the means at (a, b), bilinear between the knots of a table (rows, columns, 3), as `packing.interpolate`. */
function interpolateMeans(table, [rows, columns], ranges, [a, b]) {
  const x = clamp((a - ranges.a[0]) / (ranges.a[1] - ranges.a[0]), 0, 1) * (columns - 1);
  const y = clamp((b - ranges.b[0]) / (ranges.b[1] - ranges.b[0]), 0, 1) * (rows - 1);
  const [column, row] = [Math.min(Math.floor(x), columns - 2), Math.min(Math.floor(y), rows - 2)];
  const above = 3 * (row * columns + column);
  const below = above + 3 * columns;
  return [0, 1, 2].map((axis) => {
    const high = mix(table[above + axis], table[above + axis + 3], x - column);
    return mix(high, mix(table[below + axis], table[below + axis + 3], x - column), y - row);
  });
}

/** Return the middle of an embedding's extent, and the largest distance from it. */
function extentOf(embedding) {
  const centre = [0, 1, 2].map((axis) => {
    const values = embedding.filter((_, i) => i % 3 === axis);
    return (Math.min(...values) + Math.max(...values)) / 2;
  });
  let reach = 0;
  for (let i = 0; i < embedding.length; i += 3) {
    reach = Math.max(reach, Math.hypot(...[0, 1, 2].map((axis) => embedding[i + axis] - centre[axis])));
  }
  return { centre, reach };
}

/** Return a run's entry of `info` together with its numbers, and with functions of the epoch or of a time between. */
export function openRun(entry, data, ranges) {
  const cache = new Map();
  const read = (part) => cache.get(part) ?? cache.set(part, readPart(data, part)).get(part);
  const meansEpochs = latestStored(entry.means, entry.epochs);
  const errorsEpochs = latestStored(entry.errors, entry.epochs);
  const decoderEpochs = latestStored(entry.decoders, entry.epochs);
  const tableShape = Object.values(entry.means)[0].shape;
  const [points, others] = [read(entry.points), read(entry.others)];
  const embedding = (epoch) => read(entry.embeddings[epoch]);
  let table, tableTime; // one frame asks for hundreds of points at one time
  return {
    ...entry,
    points,
    others,
    ...extentOf(embedding(entry.best)),
    count: points.length / 2,
    /** The encoder's means at a point (a, b), interpolated in the table of exact images. */
    means(point, time) {
      if (tableTime !== time) {
        [table, tableTime] = [mixEpochs((epoch) => read(entry.means[meansEpochs[epoch]]), time), time];
      }
      return interpolateMeans(table, tableShape, ranges, point);
    },
    embeddingAt: (time) => mixEpochs(embedding, time),
    errorsEpoch: (epoch) => errorsEpochs[epoch],
    decoderEpoch: (epoch) => decoderEpochs[epoch],
    halves: (epoch) => readPart(data, entry.decoders[epoch]),
    /** The values that colour the points, and the others, whose errors are not stored; and the ends of the scale. */
    values(color, epoch) {
      if (color !== "error") {
        const factor = (pairs) => pairs.filter((_, i) => i % 2 === (color === "a" ? 0 : 1));
        return { values: factor(points), others: factor(others), ends: ranges[color] };
      }
      const part = entry.errors[errorsEpochs[epoch]];
      return { values: read(part), others: null, ends: [part.low[0], part.high[0]] };
    },
  };
}
