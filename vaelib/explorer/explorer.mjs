/**
 * The explorer: parameter space, latent space and images, linked, on canvases.
 *
 * Here its parts are put together. Each is opened with what is chosen, `chosen`, which it reads, changes and watches,
 * with what is the page's own, and with the parts that it needs. Positions on a canvas are in CSS pixels.
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
    linked: Boolean(model.get("linked")), // to the page's address: a notebook's address is not the widget's
    ending: ending.signal, // of all that would outlive the element: listeners, timers, the decoder
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
  hearModel(model, chosen, playback, page);
  redrawWithPage(page);
  chosen.refresh();
  address.follow();
  playback.walk(model.get("transect"));

  return () => {
    playback.stop();
    ending.abort();
  };
}

/** Take over what the model's traits are set to elsewhere. */
function hearModel(model, { state, change }, { walk }, { ending }) {
  for (const name of TRAITS) {
    const listener = () => {
      const value = model.get(name);
      if (same(value, state[name])) return;
      if (name === "transect") walk(value);
      // What follows from it the kernel moves itself; told of it, it would take that for a later wish.
      else change({ [name]: value }, { tell: false });
    };
    model.on(`change:${name}`, listener);
    ending.addEventListener("abort", () => model.off(`change:${name}`, listener));
  }
}

/** Draw anew when the page's colours, its reader's wish for calm, or the explorer's size become others. */
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
