/** Playback: a training's epochs like a film, or a walk along a transect, and the buttons that start and stop it. */
import { along } from "./canvas.mjs";
import { button } from "./elements.mjs";

const EPOCH_MS = 900; // per epoch of a training
const WALK_MS = 7000; // from end to end of a transect

/** Return the buttons, `walk` along a transect, and `stop`, which ends whatever plays. */
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
    const wasPlaying = playing?.training;
    stop();
    if (wasPlaying) return;
    playing = { training: true };
    playButton.textContent = "❚❚";
    playButton.setAttribute("aria-label", "stop");
    const show = (epoch) => {
      change({ epoch });
      if (epoch >= run().epochs) stop();
      else playing.timer = setTimeout(() => show(epoch + 1), EPOCH_MS);
    };
    show(state.epoch < run().epochs ? state.epoch + 1 : 0);
  }

  function walk(name) {
    const wasWalking = state.transect === name;
    stop();
    if (wasWalking || !name) return;
    playing = {};
    change({ transect: name });
    const start = performance.now();
    const walkTo = (share) => {
      change({ parameters: along(transects[name], Math.min(share, 1)) });
      if (share >= 1) stop();
      // With reduced motion, step by step over the study's 15 points.
      else if (calm.matches) playing.timer = setTimeout(() => walkTo(share + 1 / 14), WALK_MS / 14);
      else playing.frame = requestAnimationFrame((now) => walkTo(Math.max(0, now - start) / WALK_MS));
    };
    walkTo(0);
  }

  watch(() => {
    for (const walkButton of walkButtons) {
      walkButton.setAttribute("aria-pressed", String(walkButton.textContent === state.transect));
    }
  });
  return { playButton, walkButtons, walk, stop };
}
