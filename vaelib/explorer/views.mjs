/** The views of the two spaces, drawn together, with the same trail and the same marks. */
import { clamp, dot, path } from "./canvas.mjs";
import { openColors } from "./colors.mjs";
import { openLatentSpace } from "./latent_space.mjs";
import { openParameterSpace } from "./parameter_space.mjs";
import { same } from "./state.mjs";

const TRAIL = 90; // the most states in the trail

/** Return both views, and `hover`, which marks a training point in them; -1 for none. */
export function openViews(chosen, { root, frames, calm }) {
  const { state, watch } = chosen;
  const colors = openColors(chosen);
  const parameters = openParameterSpace(chosen);
  const latents = openLatentSpace(chosen, colors.element);
  let hovered = -1;
  let trail = []; // states
  let shownEpoch = state.epoch; // approaches the epoch, so that the sheet is seen to move
  let lastTime = 0;

  watch((before) => {
    if (before.run !== state.run) shownEpoch = state.epoch;
    if (before.run !== state.run || before.epoch !== state.epoch) trail = [];
    else if (!same(before.mu, state.mu)) trail = [...trail.slice(1 - TRAIL), before];
    frames.redraw();
  });

  function moveSheet(now) {
    const distance = state.epoch - shownEpoch;
    const share = 1 - Math.exp(-clamp(now - lastTime, 1, 40) / 150);
    shownEpoch = calm.matches || Math.abs(distance) < 0.01 ? state.epoch : shownEpoch + distance * share;
    lastTime = now;
    if (shownEpoch !== state.epoch) frames.redraw();
  }

  frames.add((now) => {
    const theme = readTheme(root); // in every frame: a notebook adds the widget to its page after it is made
    moveSheet(now);
    const look = { theme, colors: colors.pointColors(), epoch: shownEpoch };
    const mark = (pen, place, marked) => drawMarks(pen, place, { ...marked, trail, hovered }, look);
    parameters.draw(look, mark);
    latents.draw(look, mark);
  });

  function hover(i) {
    if (i !== hovered) frames.redraw();
    hovered = i;
  }

  return { parameters, latents, hover };
}

function readTheme(root) {
  const style = getComputedStyle(root);
  const read = (name) => [name, style.getPropertyValue(`--vx-${name}`).trim()];
  return Object.fromEntries(["ink", "muted", "paper", "well"].map(read));
}

/**
 * Draw the trail, the hovered training point and the current point on top of everything else.
 *
 * current: the current point; past: returns the point of an earlier state; training: returns training point i.
 */
function drawMarks(pen, place, { current, past, training, trail, hovered }, { theme, colors }) {
  const places = [...trail.map(past), current].map(place);
  for (let i = 1; i < places.length; i++) {
    path(pen, [places[i - 1], places[i]], { color: theme.ink, width: 2, alpha: (0.7 * i) / places.length });
  }
  if (hovered >= 0) dot(pen, place(training(hovered)), 5.5, colors.points[hovered], theme.ink);
  dot(pen, place(current), 8, theme.ink);
  dot(pen, place(current), 6, theme.paper);
  dot(pen, place(current), 4, theme.ink);
}
