/**
 * The explorer: parameter space, latent space and images, linked, on canvases.
 *
 * This script puts its parts together. Every part is opened with `chosen`, the state that it reads, changes and
 * watches, with what it needs of `page`, and with the parts that it uses. Positions on a canvas are in CSS pixels.
 */
import { openAddress } from "./address.mjs";
import { openFrames } from "./canvas.mjs";
import { openControls, openSliders } from "./controls.mjs";
import { make } from "./elements.mjs";
import { openImages } from "./images.mjs";
import { openLine } from "./line.mjs";
import { openPlayback } from "./playback.mjs";
import { openPointing } from "./pointing.mjs";
import { TRAITS, openState, same } from "./state.mjs";
import { openViews } from "./views.mjs";

function render({ model, el }) {
  const ending = new AbortController();
  const name = "Explorer of the parameter space, the latent space and the decoder";
  const page = {
    root: make("div", { class: "vx", role: "group", "aria-label": name }),
    frames: openFrames(),
    calm: window.matchMedia("(prefers-reduced-motion: reduce)"),
    linked: Boolean(model.get("linked")), // to the page's address, which in a notebook is not the widget's
    ending: ending.signal, // ends what would outlive the element: listeners, timers, the decoder
  };
  const chosen = openState(model);
  const playback = openPlayback(chosen, page);
  const views = openViews(chosen, page);
  const images = openImages(chosen, page);
  const line = openLine(chosen, page, images);
  openPointing(chosen, views, playback.stop);
  const address = openAddress(chosen, page, playback.stop);

  const bottom = make("div", { class: "vx-bottom" }, ...images.boxes, openSliders(chosen, playback));
  const { parameters, latents } = views;
  page.root.append(
    make("div", { class: "vx-frame" }, openControls(chosen, playback), parameters.box, latents.box, bottom, line),
  );
  el.append(page.root);
  followModel(model, chosen, playback, page);
  redrawWithPage(page);
  chosen.refresh();
  address.follow();
  playback.walk(model.get("transect"));

  return () => {
    playback.stop();
    ending.abort();
  };
}

/** Apply to the state what the model's traits are set to elsewhere. */
function followModel(model, { state, change }, { walk }, { ending }) {
  for (const name of TRAITS) {
    const listener = () => {
      const value = model.get(name);
      if (same(value, state[name])) return;
      if (name === "transect") walk(value);
      // The kernel works out for itself what follows from it; sent back, that would count as a later change.
      else change({ [name]: value }, { publish: false });
    };
    model.on(`change:${name}`, listener);
    ending.addEventListener("abort", () => model.off(`change:${name}`, listener));
  }
}

/** Redraw when the page's colours, the reader's preference for reduced motion, or the explorer's size change. */
function redrawWithPage({ root, frames, calm, ending }) {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  for (const query of [dark, calm]) query.addEventListener("change", frames.redraw, { signal: ending });
  const themes = new MutationObserver(frames.redraw);
  for (const element of [document.documentElement, document.body]) themes.observe(element, { attributes: true });
  const sizes = new ResizeObserver(frames.redraw);
  sizes.observe(root);
  ending.addEventListener("abort", () => {
    themes.disconnect();
    sizes.disconnect();
    frames.stop();
  });
}

export default { render };
