/**
 * A run's decoder in plain typed arrays: latents in, an image out.
 *
 * Its functions run in a worker whose script is made of their texts: from a folder on disk a browser loads neither
 * modules nor the files of workers. So they may use only one another, and `DECODER_FUNCTIONS` lists them all.
 */

/** Return the numbers of half floats, given by their bits: 1 of sign, 5 of exponent, 10 of fraction. */
function halvesToNumbers(bits) {
  return Float64Array.from(bits, (half) => {
    const exponent = (half >> 10) & 31;
    const fraction = (half & 1023) / 1024;
    const magnitude = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
    return half & 32768 ? -magnitude : magnitude;
  });
}

/**
 * Return a decoder's layers, ready for `decode`, from its weights in the order of `packing.folded_decoder`.
 *
 * halves: Uint16Array; shape: the image's `size` in pixels, the number of `latents`, the five layers' `channels`.
 * A weight is the sum of two half floats: the second is what the first has no bits for.
 */
export function unpackWeights(halves, { size, latents, channels }) {
  const count = halves.length / 2;
  const remainders = halvesToNumbers(halves.subarray(count));
  const numbers = halvesToNumbers(halves.subarray(0, count)).map((value, i) => value + remainders[i]);
  let next = 0;
  const take = (length) => numbers.subarray(next, (next += length));
  const side = size / 8;
  const dense = { kernel: take(latents * side * side * channels[0]), latents, side, channels: channels[0] };
  const ups = [1, 2, 3].map((level) => {
    const [inputs, outputs] = [channels[level - 1], channels[level]];
    const kernel = take(9 * inputs * outputs);
    const phases = [0, 1, 2, 3].map((phase) => interleave(phaseKernel(kernel, phase, inputs * outputs), outputs));
    const biases = Array.from({ length: 9 }, () => padToEights(take(outputs)));
    return { inputs, outputs, phases, biases };
  });
  const hidden = interleave(take(channels[3] * channels[4]), channels[4]);
  const bias = padToEights(take(channels[4]));
  const head = { weights: take(channels[4]), bias: take(1)[0] };
  if (next !== numbers.length) throw new Error(`${numbers.length} weights; the decoder's shape needs ${next}`);
  return { size, dense, ups, hidden, bias, head };
}

/**
 * Return the 2×2 kernel of one output phase, from a 3×3 kernel on the doubled map; `area` is inputs × outputs.
 *
 * A pixel of the doubled map meets only 2×2 distinct pixels of the small one: the kernel's rows add up to
 * [k0, k1 + k2] for even pixels and to [k0 + k1, k2] for odd ones, and so do its columns.
 */
function phaseKernel(kernel, phase, area) {
  const [oddRow, oddColumn] = [phase >> 1, phase & 1];
  const phased = new Float64Array(4 * area);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      const tap = 2 * (row > oddRow ? 1 : 0) + (column > oddColumn ? 1 : 0);
      for (let i = 0; i < area; i++) phased[tap * area + i] += kernel[(3 * row + column) * area + i];
    }
  }
  return phased;
}

/** Lay a matrix (inputs, outputs) out for `denseRelu`: the weights of eight outputs side by side. */
function interleave(matrix, outputs) {
  const inputs = matrix.length / outputs;
  const groups = Math.ceil(outputs / 8);
  const weights = new Float64Array(8 * groups * inputs);
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) weights[8 * ((o >> 3) * inputs + i) + (o & 7)] = matrix[i * outputs + o];
  }
  const [index, value] = [new Int32Array(inputs), new Float64Array(inputs)];
  return { weights, inputs, groups, index, value, result: new Float64Array(8 * groups) };
}

/** Return a bias with zeros behind it, up to a multiple of eight outputs. */
function padToEights(bias) {
  const padded = new Float64Array(8 * Math.ceil(bias.length / 8));
  padded.set(bias);
  return padded;
}

/**
 * Return relu(weights · x + bias), in the layer's `result`. Nearly all the time goes here.
 *
 * More than half of a relu's outputs are zero, so only the others are multiplied; eight sums share every load of an
 * input. The `| 0` tells the engine that indices are small integers.
 */
function denseRelu({ weights, inputs, groups, index, value, result }, x, bias) {
  let count = 0;
  for (let i = 0; i < inputs; i++) {
    if (x[i] !== 0) {
      index[count] = 8 * i;
      value[count++] = x[i];
    }
  }
  for (let first = 0; first < 8 * groups; first += 8) {
    const base = first * inputs;
    let sum0 = bias[first];
    let sum1 = bias[first + 1];
    let sum2 = bias[first + 2];
    let sum3 = bias[first + 3];
    let sum4 = bias[first + 4];
    let sum5 = bias[first + 5];
    let sum6 = bias[first + 6];
    let sum7 = bias[first + 7];
    for (let j = 0; j < count; j++) {
      const at = (base + index[j]) | 0;
      const factor = value[j];
      sum0 += weights[at] * factor;
      sum1 += weights[(at + 1) | 0] * factor;
      sum2 += weights[(at + 2) | 0] * factor;
      sum3 += weights[(at + 3) | 0] * factor;
      sum4 += weights[(at + 4) | 0] * factor;
      sum5 += weights[(at + 5) | 0] * factor;
      sum6 += weights[(at + 6) | 0] * factor;
      sum7 += weights[(at + 7) | 0] * factor;
    }
    result[first] = sum0 > 0 ? sum0 : 0;
    result[first + 1] = sum1 > 0 ? sum1 : 0;
    result[first + 2] = sum2 > 0 ? sum2 : 0;
    result[first + 3] = sum3 > 0 ? sum3 : 0;
    result[first + 4] = sum4 > 0 ? sum4 : 0;
    result[first + 5] = sum5 > 0 ? sum5 : 0;
    result[first + 6] = sum6 > 0 ? sum6 : 0;
    result[first + 7] = sum7 > 0 ? sum7 : 0;
  }
  return result;
}

/** Return a map (side, side, channels) of zeros, with a border one pixel wide. */
function zeroMap(side, channels) {
  return { side, channels, stride: (side + 2) * channels, values: new Float64Array((side + 2) ** 2 * channels) };
}

/** Return where a pixel's features begin in a map's values. */
function pixelOffset(map, row, column) {
  return (row + 1) * map.stride + (column + 1) * map.channels;
}

/** Return the small map that the dense layer makes of the latents. */
function denseMap({ kernel, latents, side, channels }, mu) {
  const map = zeroMap(side, channels);
  const count = kernel.length / latents;
  for (let k = 0; k < count; k++) {
    const pixel = Math.floor(k / channels);
    let sum = 0;
    for (let j = 0; j < latents; j++) sum += mu[j] * kernel[j * count + k];
    map.values[pixelOffset(map, Math.floor(pixel / side), pixel % side) + (k % channels)] = Math.max(sum, 0);
  }
  return map;
}

/** Double a map and convolve it; call `write(features, row, column)` for every pixel. */
function upConvolve(map, { inputs, phases, biases }, write) {
  const width = 2 * inputs; // a row of the patch: two pixels
  const patch = new Float64Array(2 * width);
  const last = 2 * map.side - 1;
  for (let row = 0; row <= last; row++) {
    for (let column = 0; column <= last; column++) {
      const corner = ((row + 1) >> 1) * map.stride + ((column + 1) >> 1) * inputs;
      for (let i = 0; i < width; i++) {
        patch[i] = map.values[corner + i];
        patch[width + i] = map.values[corner + map.stride + i];
      }
      // A folded batch norm adds less where the kernel extends over the border: nine cases.
      const border = 3 * (row === 0 ? 0 : row === last ? 2 : 1) + (column === 0 ? 0 : column === last ? 2 : 1);
      write(denseRelu(phases[2 * (row & 1) + (column & 1)], patch, biases[border]), row, column);
    }
  }
}

/** Return the image that a decoder of `unpackWeights` makes of the latents mu: size · size numbers from 0 to 1. */
export function decode({ size, dense, ups, hidden, bias, head }, mu) {
  let map = denseMap(dense, mu);
  for (const up of ups.slice(0, 2)) {
    const next = zeroMap(2 * map.side, up.outputs);
    upConvolve(map, up, (features, row, column) => {
      const offset = pixelOffset(next, row, column);
      for (let o = 0; o < up.outputs; o++) next.values[offset + o] = features[o];
    });
    map = next;
  }
  // The widest layers are never stored: each pixel passes through all remaining layers at once.
  const image = new Float32Array(size * size);
  upConvolve(map, ups[2], (features, row, column) => {
    const activations = denseRelu(hidden, features, bias);
    let logit = head.bias;
    for (let k = 0; k < head.weights.length; k++) logit += head.weights[k] * activations[k];
    image[row * size + column] = 1 / (1 + Math.exp(-logit));
  });
  return image;
}

export const DECODER_FUNCTIONS = [
  halvesToNumbers, unpackWeights, phaseKernel, interleave, padToEights, denseRelu, zeroMap,
  pixelOffset, denseMap, upConvolve, decode,
];
