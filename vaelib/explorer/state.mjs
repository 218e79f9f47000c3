/**
 * What is chosen, and who is told of a change.
 *
 * One state says what is shown: a run, an epoch, a point and its latents, the points' colours, the transect that is
 * walked along, the view of the latent space. `change` is the only way to alter it; it tells the watchers, which bring
 * their part of the page up to it, and the model (the kernel's traits). Units: a and b as in the text, latents as the
 * encoder has them, the view's azimuth and elevation in degrees.
 */
import { clamp } from "./canvas.mjs";
import { openRun } from "./runs.mjs";

export const TRAITS = ["run", "epoch", "parameters", "mu", "color", "transect"]; // of the model
export const SYMBOLS = ["μ₁", "μ₂", "μ₃"];

/** Tell whether two parts of the state, or two states, are the same. */
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Return a point of the parameter space in words. */
export const pointText = ([a, b]) => `a = ${a.toFixed(2)}, b = ${b.toFixed(2)}`;

/** Open the state that the model has: what is known of the runs, what is chosen, and how to change and watch it. */
export function openState(model) {
  const info = model.get("info");
  const { ranges } = info;
  const runs = Object.fromEntries(info.runs.map((entry) => [entry.name, openRun(entry, model.get("data"), ranges)]));
  const state = Object.fromEntries(TRAITS.map((name) => [name, model.get(name)]));
  state.view = runs[state.run].view;
  state.transect = ""; // one that was asked for earlier is walked along once there is a page to walk in
  const run = () => runs[state.run];
  const onSheet = () => run().means(state.parameters, state.epoch);
  const offSheet = () => onSheet().some((value, i) => Math.abs(value - state.mu[i]) > 1e-4);
  let free = offSheet(); // μ was set to leave the sheet
  const watchers = [];

  function change(changes, { tell = true } = {}) {
    const before = { ...state };
    Object.assign(state, changes);
    state.epoch = clamp(Math.round(state.epoch), 0, run().epochs);
    state.parameters = state.parameters.map((value, i) => clamp(value, ...ranges["ab"[i]]));
    const moved = !same(before.parameters, state.parameters);
    const other = before.run !== state.run || before.epoch !== state.epoch;
    if (changes.mu) free = offSheet();
    else if (moved || (other && !free)) [state.mu, free] = [onSheet(), false];
    if (before.run !== state.run && !changes.view) state.view = run().view;
    if (same(before, state)) return;
    refresh(before, tell);
    if (!tell) return;
    for (const name of TRAITS) {
      if (!same(before[name], state[name])) model.set(name, state[name]);
    }
    model.save_changes();
  }

  function refresh(before = state, tell = false) {
    for (const watcher of watchers) watcher(before, tell);
  }

  return {
    info,
    runs,
    state, // to be read, and altered by `change` alone
    run, // the chosen one
    onSheet, // the latents on the sheet, at the chosen point
    isFree: () => free,
    /** Forget that μ has left the sheet: the next change moves it along. */
    rejoin: () => (free = false),
    /** The chosen run's training point number i: (a, b). */
    pointOf: (i) => Array.from(run().points.subarray(2 * i, 2 * i + 2)),
    /** Alter some of the state and tell everyone; the model only if `tell`. */
    change,
    /** Have `watcher(before, tell)` called after each change: the state before it, and whether the model is told. */
    watch: (watcher) => watchers.push(watcher),
    /** Call all watchers, without a change. */
    refresh,
  };
}
