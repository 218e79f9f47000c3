/** Drawing on canvases, and the arithmetic for it. */

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const mix = (from, to, share) => from + (to - from) * share;

/** Fit a canvas to its element and the screen's pixels; return its context, cleared, and its size in CSS pixels. */
export function fitCanvas(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const density = window.devicePixelRatio || 1;
  const [columns, rows] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  const pen = canvas.getContext("2d");
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** Return `lay(pen, key, draw)`, which copies a drawing below what moves and repeats it only for a new key or size. */
export function underlay() {
  const layer = document.createElement("canvas");
  let drawnKey;
  return (pen, key, draw) => {
    const { width, height } = pen.canvas;
    if (!width || !height) return; // invisible: there is nothing to copy either
    const fullKey = JSON.stringify([width, height, key]);
    if (fullKey !== drawnKey) {
      drawnKey = fullKey;
      Object.assign(layer, { width, height }); // which also clears it
      const layerPen = layer.getContext("2d");
      layerPen.setTransform(pen.getTransform());
      draw(layerPen);
    }
    pen.save();
    pen.resetTransform();
    pen.drawImage(layer, 0, 0);
    pen.restore();
  };
}

/** Return a drawing in parts: after `redraw`, all that were added are called in the next frame, with its time. */
export function openFrames() {
  const parts = [];
  let request = 0;
  const draw = (now) => {
    request = 0;
    for (const part of parts) part(now);
  };
  return {
    add: (part) => parts.push(part),
    redraw: () => void (request ||= requestAnimationFrame(draw)),
    stop: () => cancelAnimationFrame(request),
  };
}

export function path(pen, points, { color, width = 1, alpha = 1, dash = [] }) {
  pen.globalAlpha = alpha;
  pen.strokeStyle = color;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

export function dot(pen, [x, y], radius, fill, rim) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = fill;
  pen.fill();
  if (!rim) return;
  pen.lineWidth = 2;
  pen.strokeStyle = rim;
  pen.stroke();
}

export function write(pen, text, x, y, { color, italic, halo, align = "center" }) {
  pen.font = italic ? "italic 15px Georgia, 'Times New Roman', serif" : "12px system-ui, sans-serif";
  Object.assign(pen, { fillStyle: color, textAlign: align, textBaseline: "middle" });
  if (halo) {
    Object.assign(pen, { strokeStyle: halo, lineWidth: 4 });
    pen.strokeText(text, x, y);
  }
  pen.fillText(text, x, y);
}

/** Fill a canvas; `color` gets a pixel's index, row by row, and returns red, green and blue from 0 to 255. */
export function paint(canvas, color) {
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(canvas.width, canvas.height);
  const { data } = pixels;
  for (let i = 0; 4 * i < data.length; i++) {
    [data[4 * i], data[4 * i + 1], data[4 * i + 2]] = color(i);
    data[4 * i + 3] = 255;
  }
  pen.putImageData(pixels, 0, 0);
}

/** Return the index of the place nearest to (x, y), or -1 if none is within reach. */
export function nearest([x, y], places, reach) {
  let [index, least] = [-1, reach];
  places.forEach(([px, py], i) => {
    const distance = Math.hypot(px - x, py - y);
    if (distance < least) [index, least] = [i, distance];
  });
  return index;
}

/** Return the rotation matrix whose rows are the view's right, up and towards the eye; angles in degrees. */
export function rotation([azimuth, elevation]) {
  const [turn, lift] = [azimuth, elevation].map((angle) => (angle * Math.PI) / 180);
  const [sine, cosine, low, high] = [Math.sin(turn), Math.cos(turn), Math.sin(lift), Math.cos(lift)];
  return [[-sine, cosine, 0], [-low * cosine, -low * sine, high], [high * cosine, high * sine, low]];
}

/** Return `at(share)` for n + 1 shares from 0 to 1. */
export const steps = (n, at) => Array.from({ length: n + 1 }, (_, i) => at(i / n));

/** Return points on the edge of a circle (a, b, radius). */
export const circle = ([a, b, radius]) =>
  steps(60, (share) => [a + radius * Math.cos(2 * Math.PI * share), b + radius * Math.sin(2 * Math.PI * share)]);

/** Return the point at a share, 0 to 1, of the way along a line. */
export const along = ({ ends: [from, to] }, share) => [mix(from[0], to[0], share), mix(from[1], to[1], share)];
