/** The training points' colours: what they stand for, the colour of each point, and the scale. */
import { clamp } from "./canvas.mjs";
import { choice, group, make } from "./elements.mjs";

/** Return the element with the choice and the scale, and `pointColors`, which returns the colours of all points. */
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

  let current = {}; // made anew when its key changes

  /** Return the colours of the points and, unless they are unknown, of the others, and a key that changes with them. */
  function pointColors() {
    const key = [state.run, state.color, state.color === "error" && run().errorsEpoch(state.epoch)].join();
    if (key === current.key) return current;
    const { values, others, ends } = run().values(state.color, state.epoch);
    const palette = palettes[state.color];
    const share = (value) => clamp((value - ends[0]) / (ends[1] - ends[0]), 0, 1);
    const tint = (value) => palette[Math.round(share(value) * (palette.length - 1))];
    current = { key, points: Array.from(values, tint), others: others && Array.from(others, tint) };
    showScale(palette, ends);
    return current;
  }

  watch(() => (colorChoice.value = state.color));
  return { element: group(make("label", {}, "colour"), colorChoice, scale), pointColors };
}
