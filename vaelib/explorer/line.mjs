/** The line below the images, which says in words what they show. */
import { make } from "./elements.mjs";
import { pointText } from "./state.mjs";

/** Return the line, which is updated after what is drawn. */
export function openLine({ info, state, run, isFree }, { frames, ending }, images) {
  const element = make("p", { class: "vx-state", "aria-live": "polite" });
  let timer = 0;

  function announce() {
    timer ||= setTimeout(() => {
      timer = 0; // while things move, it changes slowly enough to be read
      const result = images.result();
      if (!result) return;
      const text = describe(result);
      if (element.textContent !== text) element.textContent = text;
    }, 500);
  }

  function describe({ error, substitute }) {
    const [a, b, radius] = info.hole;
    const inHole = Math.hypot(state.parameters[0] - a, state.parameters[1] - b) < radius;
    const place = `${pointText(state.parameters)}${inHole ? " (in the hole)" : ""}`;
    const mu = `μ = (${state.mu.map((value) => value.toFixed(2)).join(", ")})${isFree() ? ", off the sheet" : ""}`;
    const percent = `error ${(100 * error).toFixed(1)} % of the curve's variance${substitute && ` with ${substitute}`}`;
    return `${run().label}, epoch ${state.epoch}: ${place}; ${mu}; ${percent}.`;
  }

  frames.add(announce);
  ending.addEventListener("abort", () => clearTimeout(timer));
  return element;
}
