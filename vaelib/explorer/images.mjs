/** The images: the true curve, what the decoder makes of the latents, and their difference, decoded and painted. */
import { paint } from "./canvas.mjs";
import { rasterise } from "./curve.mjs";
import { heading, make } from "./elements.mjs";
import { startDecoder } from "./runs.mjs";
import { pointText } from "./state.mjs";

/** Return the images' boxes, and `found`: the error, and what has decoded in place of the chosen epoch's decoder. */
export function openImages({ info, runs, state, run, isFree, watch }, { root, frames, ending }) {
  const pictures = ["True curve", "Decoded", "Difference"].map((title) => picture(title, info.image_size));
  const [exact, made, apart] = pictures;
  let truth, decoded, error; // images, 0 to 255 and 0 to 1, and the squared error over the true image's variance
  let asked, answered; // what the images are to be of, and what the decoded one is of
  let instead = ""; // what has decoded the image, where the shown epoch has no decoder
  let painted = {}; // the two images that the pictures show

  const decoder = startDecoder(info.decoder, ({ run: name, epoch }) => runs[name].halves(epoch), take);
  ending.addEventListener("abort", decoder.stop);

  function ask() {
    exact.note.textContent = pointText(state.parameters);
    const epoch = run().decoderEpoch(state.epoch);
    const free = isFree();
    // An epoch without a decoder is decoded by the one before, from where that one's encoder puts the curve.
    const mu = free ? state.mu : run().means(state.parameters, epoch);
    const wanted = JSON.stringify([state.run, state.epoch, state.parameters, mu]);
    if (wanted === asked) return; // the colours and the view leave the images as they are
    asked = wanted;
    root.dataset.current = false; // until the pictures are of what was asked for last
    decoder.ask({ run: state.run, epoch, mu, free, wanted });
    truth = rasterise(...state.parameters, run().line_width, info);
  }

  /** Take the decoder's answer. By then the curve may be another, so the error is that of the two as they are shown. */
  function take(image, request, milliseconds) {
    [decoded, answered] = [image, request.wanted];
    root.dataset.milliseconds = milliseconds.toFixed(2);
    instead = request.epoch === state.epoch ? "" : `epoch ${request.epoch}'s decoder${request.free ? "" : " and μ"}`;
    made.note.textContent = `${instead && `${instead}, `}${milliseconds.toFixed(0)} ms in this page`;
    frames.redraw();
  }

  function draw() {
    if (!decoded || (painted.truth === truth && painted.decoded === decoded)) return;
    painted = { truth, decoded };
    const compared = compare(truth, decoded);
    error = compared.error;
    Object.assign(root.dataset, { error, current: answered === asked });
    paint(exact.canvas, (i) => [truth[i], truth[i], truth[i]]);
    paint(made.canvas, (i) => [255 * decoded[i], 255 * decoded[i], 255 * decoded[i]]);
    paint(apart.canvas, (i) => tintDifference(compared.difference[i]));
    apart.note.textContent = `error ${(100 * error).toFixed(1)} %`;
  }

  watch(ask);
  frames.add(draw);
  return { boxes: pictures.map(({ box }) => box), found: () => error !== undefined && { error, instead } };
}

function picture(title, size) {
  const canvas = make("canvas", { width: size, height: size, role: "img", "aria-label": title });
  const note = make("div", { class: "vx-note" });
  return { canvas, note, box: make("div", {}, heading(title), canvas, note) };
}

/** Return a decoded image less the true one, both 0 to 1, and its mean square over the true image's variance. */
function compare(truth, decoded) {
  let [sum, squares, errors] = [0, 0, 0];
  const difference = decoded.map((value, i) => {
    const exact = truth[i] / 255;
    sum += exact;
    squares += exact * exact;
    errors += (value - exact) ** 2;
    return value - exact;
  });
  const count = decoded.length;
  return { difference, error: errors / count / (squares / count - (sum / count) ** 2) };
}

/** Return the colour of a difference, shown twice as bright as it is, to be seen at all. */
function tintDifference(difference) {
  const strength = Math.min(1, 2 * Math.abs(difference));
  // Too bright is orange, too dark is sky blue: two colours that the colour-blind can tell apart.
  return (difference > 0 ? [230, 159, 0] : [86, 180, 233]).map((part) => part * strength);
}
