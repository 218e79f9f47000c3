/** Small things to draw with, and the arithmetic that goes with them. */

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const mix = (from, to, share) => from + (to - from) * share;

/** Fit a canvas to its place and the screen's pixels; return its context, cleared, in CSS pixels. */
export function paper(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const density = window.devicePixelRatio || 1;
  const [columns, rows] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  const pen = canvas.getContext("2d");
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
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

/** Return the rotation whose rows are the view's right, up and towards the eye; angles in degrees. */
export function rotation([azimuth, elevation]) {
  const [turn, lift] = [azimuth, elevation].map((angle) => (angle * Math.PI) / 180);
  const [sine, cosine, low, high] = [Math.sin(turn), Math.cos(turn), Math.sin(lift), Math.cos(lift)];
  return [[-sine, cosine, 0], [-low * cosine, -low * sine, high], [high * cosine, high * sine, low]];
}

/** Return what `get` makes of n + 1 shares from 0 to 1; a circle's edge; a place on a line. */
export const steps = (n, get) => Array.from({ length: n + 1 }, (_, i) => get(i / n));
export const circle = ([a, b, r]) =>
  steps(60, (share) => [a + r * Math.cos(2 * Math.PI * share), b + r * Math.sin(2 * Math.PI * share)]);
export const along = ({ ends: [from, to] }, share) => [mix(from[0], to[0], share), mix(from[1], to[1], share)];
