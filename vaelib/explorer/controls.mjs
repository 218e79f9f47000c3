/** The controls around the views: the run, the epoch and the walks above them, the latents below. */
import { button, choice, group, heading, make, slider } from "./elements.mjs";
import { SYMBOLS } from "./state.mjs";

/** Return the row of controls that stands above the views. */
export function openControls({ runs, state, run, change, watch }, { playButton, walkButtons, stop }) {
  const labels = Object.values(runs).map(({ name, label }) => [name, label]);
  const runChoice = choice("run", labels, () => change({ run: runChoice.value }));
  const epochSlider = slider("epoch", { min: 0, step: 1, max: run().epochs }, () => {
    const epoch = Number(epochSlider.value); // first: stopping the playback sets the slider
    stop();
    change({ epoch });
  });
  const epochOutput = make("output");
  watch(() => {
    runChoice.value = state.run;
    Object.assign(epochSlider, { max: run().epochs, value: state.epoch });
    epochOutput.textContent = state.epoch;
  });
  return make(
    "div",
    { class: "vx-controls" },
    group(make("label", {}, "Run"), runChoice),
    group(make("label", {}, "Epoch"), playButton, epochSlider, epochOutput),
    group(make("label", {}, "Walk"), ...walkButtons),
  );
}

/** Return the sliders of the latents, which may leave the sheet, and the button that returns to it. */
export function openSliders({ state, run, onSheet, isFree, change, watch }, { stop }) {
  const sliders = SYMBOLS.map((name, axis) =>
    latentSlider(name, (input) => {
      const latent = Number(input.value); // first: stopping the walk sets the slider
      stop();
      change({ mu: state.mu.map((value, i) => (i === axis ? latent : value)) });
    }),
  );
  const back = button("back to the sheet", "Back to the sheet", () => change({ mu: onSheet() }));
  watch(() => {
    sliders.forEach(({ input, output }, axis) => {
      const [middle, span] = [run().centre[axis], 1.6 * run().reach]; // well beyond the sheet
      Object.assign(input, { min: middle - span, max: middle + span, value: state.mu[axis] });
      output.textContent = state.mu[axis].toFixed(2);
    });
    back.disabled = !isFree();
  });
  return make("div", { class: "vx-sliders" }, heading("Latents"), ...sliders.map(({ label }) => label), back);
}

/** Return a latent's slider, which arrow keys move by 0.1, its output and the label around both. */
function latentSlider(name, onInput) {
  const output = make("output");
  const input = slider(`latent ${name}`, { step: "any" }, () => onInput(input));
  input.addEventListener("keydown", (event) => {
    const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!direction) return; // keys do not move a slider without steps
    event.preventDefault();
    input.value = Number(input.value) + direction * 0.1;
    input.dispatchEvent(new Event("input"));
  });
  return { input, output, label: make("label", {}, make("i", {}, name), input, output) };
}
