/** The latent space, seen from the chosen view: its axes, the training points, and the sheet of the encoder's means. */
import { along, circle, clamp, dot, fitCanvas, mix, path, rotation, steps, underlay, write } from "./canvas.mjs";
import { spaceView } from "./elements.mjs";
import { SYMBOLS } from "./state.mjs";

/** Return its view, with `more` beside the title, `draw`, and `places`: the training points' places in pixels. */
export function openLatentSpace(chosen, more) {
  const { state, run, isFree } = chosen;
  const view = spaceView(
    "latents",
    "Latent space in three dimensions. Arrow keys turn it; Enter shows the nearest training image.",
    "Latent space",
    more,
  );
  const under = underlay();
  let places = [];

  function draw({ theme, colors, epoch }, mark) {
    const { pen, width, height } = fitCanvas(view.canvas);
    const { toView, toCanvas } = projection(state.view, run(), width, height);
    const place = (mu) => toCanvas(toView(mu));
    const means = (point) => run().means(point, epoch);
    const embedding = run().embeddingAt(epoch);
    const meansOf = (i) => embedding.subarray(3 * i, 3 * i + 3);
    under(pen, [theme, colors.key, state.transect, state.view, epoch], (below) => {
      const viewed = Array.from({ length: run().count }, (_, i) => toView(meansOf(i)));
      places = viewed.map(toCanvas);
      const nameAxes = drawArms(below, place, run().reach, theme);
      const pathOnSheet = (points, options) => path(below, points.map((point) => place(means(point))), options);
      drawGrid(pathOnSheet, chosen.info.ranges, theme);
      drawSheetPoints(below, viewed, places, colors, run().reach);
      nameAxes();
      drawLines(pathOnSheet, chosen, theme);
    });
    const current = isFree() ? state.mu : means(state.parameters);
    mark(pen, place, { current, past: (before) => before.mu, training: (i) => Array.from(meansOf(i)) });
  }

  return { ...view, draw, places: () => places };
}

/** Return `toView`, from latents to (right, up, towards the eye), and `toCanvas`, from there to a place in pixels. */
function projection(angles, { centre, reach }, width, height) {
  const rows = rotation(angles);
  const perUnit = (0.5 * Math.min(width, height)) / reach;
  return {
    toView: (mu) => rows.map((row) => row.reduce((sum, value, i) => sum + value * (mu[i] - centre[i]), 0)),
    toCanvas: ([x, y]) => [width / 2 + perUnit * x, height / 2 - perUnit * y],
  };
}

/** Draw the axes, with a dot at every integer; return what writes their names, which go on top of the points. */
function drawArms(pen, place, reach, theme) {
  const arm = 0.75 * reach;
  const ends = SYMBOLS.map((name, axis) => {
    const at = (value) => place([0, 1, 2].map((i) => (i === axis ? value : 0)));
    path(pen, [at(-arm), at(arm)], { color: theme.muted, alpha: 0.7 });
    for (let value = -Math.floor(arm); value <= arm; value++) dot(pen, at(value), 1.8, theme.muted);
    return { name, at: at(1.12 * arm) };
  });
  return () => {
    for (const { name, at } of ends) write(pen, name, ...at, { color: theme.ink, italic: true, halo: theme.paper });
  };
}

/** Draw the parameter space's grid as it lies on the sheet. */
function drawGrid(pathOnSheet, { a, b }, theme) {
  for (const share of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
    const [fixedA, fixedB] = [mix(...a, share), mix(...b, share)];
    pathOnSheet(steps(40, (s) => [fixedA, mix(...b, s)]), { color: theme.muted, alpha: 0.45 });
    pathOnSheet(steps(30, (s) => [mix(...a, s), fixedB]), { color: theme.muted, alpha: 0.45 });
  }
}

/** Draw the training points from the farthest to the nearest, the near ones larger. */
function drawSheetPoints(pen, viewed, places, colors, reach) {
  const order = viewed.map((_, i) => i).sort((i, j) => viewed[i][2] - viewed[j][2]);
  const nearness = (i) => clamp(viewed[i][2] / reach + 1, 0, 2);
  for (const i of order) dot(pen, places[i], 1.3 + 0.7 * nearness(i), colors.points[i]);
}

/** Draw the hole's edge and the transects as they lie on the sheet. */
function drawLines(pathOnSheet, { info, state }, theme) {
  pathOnSheet(circle(info.hole), { color: theme.ink, width: 1.5, dash: [5, 4] });
  for (const [name, line] of Object.entries(info.transects)) {
    const width = name === state.transect ? 3.5 : 1.8;
    pathOnSheet(steps(30, (share) => along(line, share)), { color: line.color, width, alpha: 0.9 });
  }
}
