/** Pointing: what mouse, finger and keys do in the views of the two spaces. */
import { clamp, nearest, paint } from "./canvas.mjs";
import { rasterise } from "./curve.mjs";
import { pointText } from "./state.mjs";

const REACH = 14; // pixels round a training point within which it is meant

/** Let mouse, finger and keys move the point in the parameter space, turn the latent space and show training images. */
export function openPointing(chosen, views, stop) {
  const { state, pointOf, change, watch } = chosen;
  const { parameters, latents } = views;

  /** Show a training point in both views, and its image beside it in the one that was pointed at; -1 for none. */
  function hover(i, view) {
    for (const { tip } of [parameters, latents]) tip.hidden = true;
    if (i >= 0) showTip(view, view.places()[i], pointOf(i), chosen);
    views.hover(i);
  }
  watch(() => hover(-1)); // what is shown is no longer what was pointed at

  const turn = (azimuth, elevation) =>
    change({ view: [((azimuth + 540) % 360) - 180, clamp(elevation, -90, 90)] });

  const overParameters = (at, byFinger) => hover(nearest(at, parameters.places(), byFinger ? REACH : 6), parameters);
  pointIn(parameters, { state, hover, stop }, {
    move: (event) => change({ parameters: parameters.pointAt(...position(event)) }),
    hoverAt: overParameters,
    tap: overParameters,
  });
  pointIn(latents, { state, hover, stop }, {
    move(event, from) {
      if (!from.far) return;
      const [x, y] = position(event);
      turn(from.view[0] - 0.5 * (x - from.at[0]), from.view[1] + 0.5 * (y - from.at[1]));
    },
    hoverAt: (at) => hover(nearest(at, latents.places(), 8), latents),
    tap(at) {
      const i = nearest(at, latents.places(), REACH);
      if (i < 0) return;
      change({ parameters: pointOf(i) });
      hover(i, latents);
    },
  });

  const here = () => nearest(parameters.place(state.parameters), parameters.places(), Infinity);
  const shift = (right, down) => [state.parameters[0] + 0.02 * right, state.parameters[1] + 0.02 * down];
  keysIn(parameters, { here, hover, stop }, (right, down) => change({ parameters: shift(right, down) }));
  keysIn(latents, { here, hover, stop }, (right, down) => turn(state.view[0] - 5 * right, state.view[1] + 5 * down));
}

const position = (event) => [event.offsetX, event.offsetY];

/** Show a training image in a view's tip, beside its place. */
function showTip({ canvas, tip }, [x, y], point, { info, run }) {
  const thumbnail = tip.firstChild;
  Object.assign(thumbnail, { width: info.image_size, height: info.image_size });
  const image = rasterise(...point, run().line_width, info);
  paint(thumbnail, (k) => [image[k], image[k], image[k]]);
  tip.lastChild.textContent = pointText(point);
  tip.hidden = false;
  tip.style.left = `${clamp(x + 14, 0, canvas.clientWidth - 100)}px`;
  tip.style.top = `${clamp(canvas.offsetTop + y - 60, 0, canvas.offsetTop + canvas.clientHeight - 110)}px`;
}

/**
 * Listen to the mouse and to fingers in a view.
 *
 * Called are `move(event, from)` from the press on, `hoverAt(place)` without one, and `tap(place, byFinger)` after one
 * that went nowhere; `from` has the place and the view where it began, and whether it has gone far.
 */
function pointIn({ canvas }, { state, hover, stop }, { move, hoverAt, tap }) {
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return; // another button means something else, a second finger too
    hover(-1);
    from = { at: position(event), view: state.view, far: false };
    canvas.setPointerCapture(event.pointerId);
    stop();
    move(event, from);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return void (event.pointerType !== "touch" && hoverAt(position(event)));
    from.far ||= Math.hypot(event.offsetX - from.at[0], event.offsetY - from.at[1]) > 4;
    move(event, from);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (from && !from.far) tap(position(event), event.pointerType === "touch");
    from = null;
  });
  canvas.addEventListener("pointercancel", () => (from = null)); // the page is scrolled instead
  // A finger leaves whenever it is lifted: what it tapped stays until something else happens.
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "touch" || hover(-1));
}

/** Let arrow keys in a view call `step(right, down)`, and Enter show the training image nearest to the point. */
function keysIn(view, { here, hover, stop }, step) {
  view.canvas.addEventListener("keydown", (event) => {
    const arrow = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!arrow && event.key !== "Enter") return;
    event.preventDefault();
    if (!arrow) return hover(here(), view);
    stop();
    hover(-1);
    step(...arrow.map((direction) => direction * (event.shiftKey ? 5 : 1)));
  });
  view.canvas.addEventListener("blur", () => hover(-1));
}
