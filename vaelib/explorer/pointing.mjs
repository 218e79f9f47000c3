/** What mouse, finger and keys do in the views of the two spaces. */
import { clamp, nearest, paint } from "./canvas.mjs";
import { rasterise } from "./curve.mjs";
import { pointText } from "./state.mjs";

const REACH = 14; // pixels around a training point within which a tap counts as on it

/** Let mouse, finger and keys move the point in the parameter space, turn the latent space and show training images. */
export function openPointing(chosen, views, stop) {
  const { state, pointOf, change, watch } = chosen;
  const { parameters, latents } = views;

  /** Mark training point i in both views, and show its image beside it in the `view` that was pointed at; -1: none. */
  function hover(i, view) {
    for (const { tip } of [parameters, latents]) tip.hidden = true;
    if (i >= 0) showTip(view, view.places()[i], pointOf(i), chosen);
    views.hover(i);
  }
  watch(() => hover(-1)); // what was pointed at may no longer be there

  const turn = (azimuth, elevation) =>
    change({ view: [((azimuth + 540) % 360) - 180, clamp(elevation, -90, 90)] });

  const overParameters = (place, byFinger) =>
    hover(nearest(place, parameters.places(), byFinger ? REACH : 6), parameters);
  pointIn(parameters, { state, hover, stop }, {
    move: (event) => change({ parameters: parameters.pointAt(...position(event)) }),
    hoverAt: overParameters,
    tap: overParameters,
  });
  pointIn(latents, { state, hover, stop }, {
    move(event, press) {
      if (!press.far) return;
      const [x, y] = position(event);
      turn(press.view[0] - 0.5 * (x - press.place[0]), press.view[1] + 0.5 * (y - press.place[1]));
    },
    hoverAt: (place) => hover(nearest(place, latents.places(), 8), latents),
    tap(place) {
      const i = nearest(place, latents.places(), REACH);
      if (i < 0) return;
      change({ parameters: pointOf(i) });
      hover(i, latents);
    },
  });

  const nearestToPoint = () => nearest(parameters.place(state.parameters), parameters.places(), Infinity);
  const shift = (right, down) => [state.parameters[0] + 0.02 * right, state.parameters[1] + 0.02 * down];
  const turnBy = (right, down) => turn(state.view[0] - 5 * right, state.view[1] + 5 * down);
  keysIn(parameters, { nearestToPoint, hover, stop }, (right, down) => change({ parameters: shift(right, down) }));
  keysIn(latents, { nearestToPoint, hover, stop }, turnBy);
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
 * `move(event, press)` is called from a press on, `hoverAt(place)` without one, and `tap(place, byFinger)` after one
 * that stayed where it was. `press` has the place and the view where it began, and `far`: whether it has left there.
 */
function pointIn({ canvas }, { state, hover, stop }, { move, hoverAt, tap }) {
  let press = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return; // other buttons and further fingers mean something else
    hover(-1);
    press = { place: position(event), view: state.view, far: false };
    canvas.setPointerCapture(event.pointerId);
    stop();
    move(event, press);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!press) return void (event.pointerType !== "touch" && hoverAt(position(event)));
    press.far ||= Math.hypot(event.offsetX - press.place[0], event.offsetY - press.place[1]) > 4;
    move(event, press);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (press && !press.far) tap(position(event), event.pointerType === "touch");
    press = null;
  });
  canvas.addEventListener("pointercancel", () => (press = null)); // it became a scroll of the page
  // A finger leaves when it is lifted; what it tapped stays until something else happens.
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "touch" || hover(-1));
}

/** Let arrow keys in a view call `step(right, down)`, and Enter show the training image nearest to the point. */
function keysIn(view, { nearestToPoint, hover, stop }, step) {
  view.canvas.addEventListener("keydown", (event) => {
    const arrow = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!arrow && event.key !== "Enter") return;
    event.preventDefault();
    if (!arrow) return hover(nearestToPoint(), view);
    stop();
    hover(-1);
    step(...arrow.map((direction) => direction * (event.shiftKey ? 5 : 1)));
  });
  view.canvas.addEventListener("blur", () => hover(-1));
}
