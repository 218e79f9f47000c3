/** The curve R(θ) = b·cos 5θ + a and its anti-aliased drawing, as `vaelib.curves` defines them. */

const HALF_EXTENT = 4.2; // units from the middle to the edge of the square frame
// The study's frame: its pictures' size, pixels per unit, and the curve's middle, from the left and the upper edge.
const STUDY = { width: 229, height: 172, scale: 17.5, x: 118.95, y: 83.4 };

/** Return n points of the curve in units as x, y, x, y, …, θ over one full turn, both ends included. */
function curvePoints(a, b, n) {
  const points = new Float64Array(2 * n);
  for (let i = 0; i < n; i++) {
    const theta = (2 * Math.PI * i) / (n - 1);
    const radius = b * Math.cos(5 * theta) + a;
    points[2 * i] = radius * Math.cos(theta);
    points[2 * i + 1] = radius * Math.sin(theta);
  }
  return points;
}

/** Return the map from units to pixels, whose centres are integers: x = left + right · X, y = top + down · Y. */
function frame(a, b, { image_size: size, framing }) {
  if (framing === "square") {
    const scale = size / (2 * HALF_EXTENT);
    return { left: (size - 1) / 2, right: scale, top: (size - 1) / 2, down: -scale };
  }
  let [low, high] = [Infinity, -Infinity]; // each image is centred on its curve, horizontally
  const points = curvePoints(a, b, 500);
  for (let i = 0; i < points.length; i += 2) [low, high] = [Math.min(low, points[i]), Math.max(high, points[i])];
  const [wide, tall] = [size / STUDY.width, size / STUDY.height];
  const left = (STUDY.x - ((low + high) / 2) * STUDY.scale) * wide - 0.5;
  return { left, right: STUDY.scale * wide, top: STUDY.y * tall - 0.5, down: -STUDY.scale * tall };
}

/**
 * Return the image of a curve, size · size bytes from 0 to 255, row by row.
 *
 * A pixel at distance d from the curve has 255·clip(min(line_width/2 + 0.5 - d, line_width, 1), 0, 1).
 */
export function rasterise(a, b, lineWidth, shape) {
  const size = shape.image_size;
  const { left, right, top, down } = frame(a, b, shape);
  const image = new Uint8Array(size * size);
  const reach = lineWidth / 2 + 0.5;
  const brightest = 255 * Math.min(lineWidth, 1);
  const points = curvePoints(a, b, 10 * Math.ceil(2.4 * size) + 1); // chords of at most a third of a pixel
  for (let i = 2; i < points.length; i += 2) {
    const [x, y] = [left + right * points[i - 2], top + down * points[i - 1]];
    const [alongX, alongY] = [left + right * points[i] - x, top + down * points[i + 1] - y];
    const squared = alongX * alongX + alongY * alongY || 1;
    const [first, last] = pixelsWithin(y, y + alongY, reach, size);
    const [leftmost, rightmost] = pixelsWithin(x, x + alongX, reach, size);
    for (let row = first; row <= last; row++) {
      for (let column = leftmost; column <= rightmost; column++) {
        const share = ((column - x) * alongX + (row - y) * alongY) / squared;
        const nearest = share < 0 ? 0 : share > 1 ? 1 : share;
        const [dx, dy] = [column - x - nearest * alongX, row - y - nearest * alongY];
        const value = Math.min(255 * (reach - Math.sqrt(dx * dx + dy * dy)), brightest) + 0.5;
        if (value >= image[row * size + column] + 1) image[row * size + column] = value;
      }
    }
  }
  return image;
}

/** Return the first and the last pixel within reach of a segment from one position to another. */
function pixelsWithin(from, to, reach, size) {
  const [first, last] = [Math.min(from, to) - reach, Math.max(from, to) + reach];
  return [Math.max(0, Math.ceil(first)), Math.min(size - 1, Math.floor(last))];
}
