/** The controls beside the views: the run, the epoch and the walks above them, the latents below. */
import { button, choice, group, heading, make, slider } from "./elements.mjs";
import { SYMBOLS } from "./state.mjs";

/** Return the row of controls that stands above the views. */
export function openControls({ runs, state, run, change, watch }, { playButton, walkButtons, stop }) {
  const labels = Object.values(runs).map(({ name, label }) => [name, label]);
  const runChoice = choice("run", labels, () => change({ run: runChoice.value }));
  const epochSlider = slider("epoch", { min: 0, step: 1, max: run().epochs }, () => {
    const wanted = Number(epochSlider.value); // before the end of a film sets the slider
    stop();
    change({ epoch: wanted });
  });
  const epochTold = make("output");
  watch(() => {
    runChoice.value = state.run;
    Object.assign(epochSlider, { max: run().epochs, value: state.epoch });
    epochTold.textContent = state.epoch;
  });
  return make(
    "div",
    { class: "vx-controls" },
    group(make("label", {}, "Run"), runChoice),
    group(make("label", {}, "Epoch"), playButton, epochSlider, epochTold),
    group(make("label", {}, "Walk"), ...walkButtons),
  );
}

/** Return the sliders of the latents, which may leave the sheet, and the button that returns to it. */
export function openSliders({ state, run, onSheet, isFree, change, watch }, { stop }) {
  const sliders = SYMBOLS.map((name, axis) =>
    latentSlider(name, (input) => {
      const wanted = Number(input.value); // before the walk's end sets the slider
      stop();
      change({ mu: state.mu.map((value, i) => (i === axis ? wanted : value)) });
    }),
  );
  const back = button("back to the sheet", "Back to the sheet", () => change({ mu: onSheet() }));
  watch(() => {
    sliders.forEach(({ input, told }, axis) => {
      const wide = 1.6 * run().reach; // well beyond the sheet
      Object.assign(input, { min: run().centre[axis] - wide, max: run().centre[axis] + wide, value: state.mu[axis] });
      told.textContent = state.mu[axis].toFixed(2);
    });
    back.disabled = !isFree();
  });
  return make("div", { class: "vx-sliders" }, heading("Latents"), ...sliders.map(({ label }) => label), back);
}

function latentSlider(name, moved) {
  const told = make("output");
  const input = slider(`latent ${name}`, { step: "any" }, () => moved(input));
  input.addEventListener("keydown", (event) => {
    const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!direction) return; // a slider without steps has none for keys either
    event.preventDefault();
    input.value = Number(input.value) + direction * 0.1;
    input.dispatchEvent(new Event("input"));
  });
  return { input, told, label: make("label", {}, make("i", {}, name), input, told) };
}
