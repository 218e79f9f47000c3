/** The parameter space: a to the right, b downward, the training points, the hole and the transects. */
import { circle, dot, fitCanvas, path, underlay, write } from "./canvas.mjs";
import { spaceView } from "./elements.mjs";

const MARGINS = { left: 34, right: 10, top: 8, bottom: 34 };

/** Return its view, `draw`, and the maps between points (a, b) and places in pixels. */
export function openParameterSpace(chosen) {
  const { info, state, run, pointOf } = chosen;
  const view = spaceView(
    "parameters",
    "Parameter space: a to the right, b downward. Arrow keys move the point, with Shift in larger steps; " +
      "Enter shows the nearest training image.",
    "Parameter space",
  );
  const under = underlay();
  let axes; // fitted to the canvas as it was drawn last

  function draw({ theme, colors }, mark) {
    const { pen, width, height } = fitCanvas(view.canvas);
    axes = fitAxes(width, height, info.ranges);
    const { place } = axes;
    under(pen, [theme, colors.key, state.transect], (below) => {
      drawAxes(below, place, info.ranges, theme);
      drawTrainingPoints(below, place, run(), colors, theme);
      path(below, circle(info.hole).map(place), { color: theme.ink, width: 1.5, dash: [5, 4] });
      for (const [name, line] of Object.entries(info.transects)) {
        const width = name === state.transect ? 3.5 : 1.8;
        path(below, line.ends.map(place), { color: line.color, width, alpha: 0.9 });
      }
    });
    mark(pen, place, { current: state.parameters, past: (before) => before.parameters, training: pointOf });
  }

  return {
    ...view,
    draw,
    place: (point) => axes.place(point),
    pointAt: (x, y) => axes.pointAt(x, y),
    /** The places of the chosen run's training points. */
    places: () => Array.from({ length: run().count }, (_, i) => axes.place(pointOf(i))),
  };
}

/** Return `place`, from points (a, b) to places on a canvas, with equal scales, and `pointAt`, its inverse. */
function fitAxes(width, height, { a, b }) {
  const { left, right, top, bottom } = MARGINS;
  const [spanA, spanB] = [a[1] - a[0], b[1] - b[0]];
  const perUnit = Math.min((width - left - right) / spanA, (height - top - bottom) / spanB);
  const shift = left + (width - left - right - perUnit * spanA) / 2;
  return {
    place: (point) => [shift + perUnit * (point[0] - a[0]), top + perUnit * (point[1] - b[0])],
    pointAt: (x, y) => [a[0] + (x - shift) / perUnit, b[0] + (y - top) / perUnit],
  };
}

function drawAxes(pen, place, { a, b }, theme) {
  const [x0, y0] = place([a[0], b[0]]);
  const [x1, y1] = place([a[1], b[1]]);
  pen.fillStyle = theme.well;
  pen.fillRect(x0, y0, x1 - x0, y1 - y0);
  const { muted: color } = theme;
  for (const value of [0.5, 1, 1.5, 2]) write(pen, value, place([value, 0])[0], y1 + 12, { color });
  for (const value of [0, 0.5, 1, 1.5, 2]) write(pen, value, x0 - 8, place([0, value])[1], { color, align: "right" });
  write(pen, "a", (x0 + x1) / 2, y1 + 24, { color: theme.ink, italic: true });
  write(pen, "b", x0 - 28, (y0 + y1) / 2, { color: theme.ink, italic: true });
}

function drawTrainingPoints(pen, place, { points, others }, colors, theme) {
  const scatter = (pairs, radius, color) => {
    for (let i = 0; 2 * i < pairs.length; i++) {
      dot(pen, place([pairs[2 * i], pairs[2 * i + 1]]), radius, color(i));
    }
  };
  pen.globalAlpha = 0.45; // the latent space leaves these out
  scatter(others, 1.1, (i) => colors.others?.[i] ?? theme.muted);
  pen.globalAlpha = 1;
  scatter(points, 1.7, (i) => colors.points[i]);
}
