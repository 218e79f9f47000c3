/** Playing: a training's epochs like a film, or a walk along a transect; and the buttons that begin and end it. */
import { along } from "./canvas.mjs";
import { button } from "./elements.mjs";

const EPOCH_MS = 900; // of the film of a training
const WALK_MS = 7000; // along a transect, end to end

/** Return the buttons, and how to walk along a transect and to stop whatever plays. */
export function openPlayback({ info: { transects }, state, run, change, watch }, { calm }) {
  let playing = null;
  const playButton = button("play the training", "▶", playTraining);
  const walkButtons = Object.entries(transects).map(([name, { color }]) =>
    button(`walk along transect ${name}`, name, () => walk(name), { class: "vx-walk", style: `--vx-walk: ${color}` }),
  );

  function stop() {
    clearTimeout(playing?.timer);
    cancelAnimationFrame(playing?.frame);
    playing = null;
    playButton.textContent = "▶";
    playButton.setAttribute("aria-label", "play the training");
    if (state.transect) change({ transect: "" });
  }

  function playTraining() {
    const again = playing?.training;
    stop();
    if (again) return;
    playing = { training: true };
    playButton.textContent = "❚❚";
    playButton.setAttribute("aria-label", "stop");
    const next = (epoch) => {
      change({ epoch });
      if (epoch >= run().epochs) stop();
      else playing.timer = setTimeout(() => next(epoch + 1), EPOCH_MS);
    };
    next(state.epoch < run().epochs ? state.epoch + 1 : 0);
  }

  function walk(name) {
    const again = state.transect === name;
    stop();
    if (again || !name) return;
    playing = {};
    change({ transect: name });
    const begun = performance.now();
    const go = (share) => {
      change({ parameters: along(transects[name], Math.min(share, 1)) });
      if (share >= 1) stop();
      // Without motion, step by step over the study's 15 points.
      else if (calm.matches) playing.timer = setTimeout(() => go(share + 1 / 14), WALK_MS / 14);
      else playing.frame = requestAnimationFrame((now) => go(Math.max(0, now - begun) / WALK_MS));
    };
    go(0);
  }

  watch(() => {
    for (const each of walkButtons) each.setAttribute("aria-pressed", String(each.textContent === state.transect));
  });
  return { playButton, walkButtons, walk, stop };
}
