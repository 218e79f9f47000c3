/** The training points' colours: chosen, mixed for each point, and shown with their scale. */
import { clamp } from "./canvas.mjs";
import { choice, group, make } from "./elements.mjs";

/** Return the element that chooses and shows the colours, and `paints`, which returns them for every point. */
export function openColors({ info, state, run, change, watch }) {
  const palettes = Object.fromEntries(
    Object.entries(info.colormaps).map(([name, digits]) => [name, digits.match(/.{6}/g).map((color) => `#${color}`)]),
  );
  const names = Object.keys(palettes).map((name) => [name, name]);
  const colorChoice = choice("colour", names, () => change({ color: colorChoice.value }));
  const scale = make("span");

  function showScale(palette, ends) {
    const percents = ends.map((value) => `${(100 * value).toFixed(0)} %`);
    const [low, high] = state.color === "error" ? [percents[0], `≥ ${percents[1]}`] : ends;
    const style = `background: linear-gradient(90deg, ${palette.join()})`;
    scale.replaceChildren(low, make("span", { class: "vx-bar", style }), high);
  }

  let mixed = {}; // mixed anew when another key says so
  function paints() {
    const key = [state.run, state.color, state.color === "error" && run().errorsEpoch(state.epoch)].join();
    if (key === mixed.key) return mixed;
    const { values, others, ends } = run().values(state.color, state.epoch);
    const palette = palettes[state.color];
    const share = (value) => clamp((value - ends[0]) / (ends[1] - ends[0]), 0, 1);
    const tint = (value) => palette[Math.round(share(value) * (palette.length - 1))];
    mixed = { key, colors: Array.from(values, tint), others: others && Array.from(others, tint) };
    showScale(palette, ends);
    return mixed;
  }

  watch(() => (colorChoice.value = state.color));
  return { element: group(make("label", {}, "colour"), colorChoice, scale), paints };
}
