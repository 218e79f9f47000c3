/**
 * What is chosen: the one state behind everything that the explorer shows.
 *
 * It has a run, an epoch, a point and its latents, what the points' colours stand for, the transect that is walked
 * along, and the view of the latent space. Only `change` alters it; it calls the watchers, which update their part of
 * the page, and sets the model (the kernel's traits). Units: a and b as in the text, latents as the encoder returns
 * them, the view's azimuth and elevation in degrees.
 */
import { clamp } from "./canvas.mjs";
import { openRun } from "./runs.mjs";

export const TRAITS = ["run", "epoch", "parameters", "mu", "color", "transect"]; // of the model
export const SYMBOLS = ["μ₁", "μ₂", "μ₃"];

/** Return whether two parts of the state, or two states, are the same. */
export const same = (left, right) => JSON.stringify(left) === JSON.stringify(right);

/** Return a point of the parameter space in words. */
export const pointText = ([a, b]) => `a = ${a.toFixed(2)}, b = ${b.toFixed(2)}`;

/** Open the model's state: the runs, what is chosen of them, and how to change and watch it. */
export function openState(model) {
  const info = model.get("info");
  const { ranges } = info;
  const runs = Object.fromEntries(info.runs.map((entry) => [entry.name, openRun(entry, model.get("data"), ranges)]));
  const state = Object.fromEntries(TRAITS.map((name) => [name, model.get(name)]));
  state.view = runs[state.run].view;
  state.transect = ""; // the model's is walked along once the page is there
  const run = () => runs[state.run];
  const onSheet = () => run().means(state.parameters, state.epoch);
  const offSheet = () => onSheet().some((value, i) => Math.abs(value - state.mu[i]) > 1e-4);
  let free = offSheet(); // μ was set to leave the sheet
  const watchers = [];

  function change(changes, { publish = true } = {}) {
    const before = { ...state };
    Object.assign(state, changes);
    state.epoch = clamp(Math.round(state.epoch), 0, run().epochs);
    state.parameters = state.parameters.map((value, i) => clamp(value, ...ranges["ab"[i]]));
    const moved = !same(before.parameters, state.parameters);
    const weightsChanged = before.run !== state.run || before.epoch !== state.epoch;
    if (changes.mu) free = offSheet();
    else if (moved || (weightsChanged && !free)) [state.mu, free] = [onSheet(), false];
    if (before.run !== state.run && !changes.view) state.view = run().view;
    if (same(before, state)) return;
    refresh(before, publish);
    if (!publish) return;
    for (const name of TRAITS) {
      if (!same(before[name], state[name])) model.set(name, state[name]);
    }
    model.save_changes();
  }

  function refresh(before = state, published = false) {
    for (const watcher of watchers) watcher(before, published);
  }

  return {
    info,
    runs,
    state, // for reading: only `change` alters it
    run, // the chosen one
    onSheet, // the latents on the sheet, at the chosen point
    isFree: () => free,
    /** Let the next change move μ along, although it has left the sheet. */
    rejoin: () => (free = false),
    /** The chosen run's training point i: (a, b). */
    pointOf: (i) => Array.from(run().points.subarray(2 * i, 2 * i + 2)),
    /** Alter some of the state and call the watchers; with `publish`, set the model and the page's address too. */
    change,
    /** Have `watcher(before, published)` called after every change, with the state before it. */
    watch: (watcher) => watchers.push(watcher),
    /** Call all watchers without a change. */
    refresh,
  };
}
