/** The images: the true curve, what the decoder makes of the latents, and their difference, decoded and painted. */
import { paint } from "./canvas.mjs";
import { rasterise } from "./curve.mjs";
import { startDecoder } from "./decoder_worker.mjs";
import { heading, make } from "./elements.mjs";
import { pointText } from "./state.mjs";

/** Return the images' boxes, and `result`: the error, and what has decoded in place of the epoch's decoder, or "". */
export function openImages({ info, runs, state, run, isFree, watch }, { root, frames, ending }) {
  const pictures = ["True curve", "Decoded", "Difference"].map((title) => picture(title, info.image_size));
  const [trueCurve, decodedImage, differenceImage] = pictures;
  let truth, decoded, error; // images, 0 to 255 and 0 to 1, and the squared error over the true image's variance
  let requested, answered; // keys of what the images are to show, and of what the decoded one shows
  let substitute = ""; // what has decoded the image, where the shown epoch has no decoder
  let painted = {}; // the two images that the pictures show

  const decoder = startDecoder(info.decoder, ({ run: name, epoch }) => runs[name].halves(epoch), receive);
  ending.addEventListener("abort", decoder.stop);

  function ask() {
    trueCurve.note.textContent = pointText(state.parameters);
    const epoch = run().decoderEpoch(state.epoch);
    const free = isFree();
    // Without a decoder at this epoch, an earlier one decodes, from where its own encoder puts the curve.
    const mu = free ? state.mu : run().means(state.parameters, epoch);
    const key = JSON.stringify([state.run, state.epoch, state.parameters, mu]);
    if (key === requested) return; // the colours and the view leave the images as they are
    requested = key;
    root.dataset.current = false; // until the pictures show what was requested last
    decoder.ask({ run: state.run, epoch, mu, free, key });
    truth = rasterise(...state.parameters, run().line_width, info);
  }

  /** Receive the decoder's answer. The curve may have changed by then; the error compares the two as they are shown. */
  function receive(image, request, milliseconds) {
    [decoded, answered] = [image, request.key];
    root.dataset.milliseconds = milliseconds.toFixed(2);
    const { epoch, free } = request;
    substitute = epoch === state.epoch ? "" : `epoch ${epoch}'s decoder${free ? "" : " and μ"}`;
    decodedImage.note.textContent = `${substitute && `${substitute}, `}${milliseconds.toFixed(0)} ms in this page`;
    frames.redraw();
  }

  function draw() {
    if (!decoded || (painted.truth === truth && painted.decoded === decoded)) return;
    painted = { truth, decoded };
    const comparison = compare(truth, decoded);
    error = comparison.error;
    Object.assign(root.dataset, { error, current: answered === requested });
    paint(trueCurve.canvas, (i) => [truth[i], truth[i], truth[i]]);
    paint(decodedImage.canvas, (i) => [255 * decoded[i], 255 * decoded[i], 255 * decoded[i]]);
    paint(differenceImage.canvas, (i) => tintDifference(comparison.difference[i]));
    differenceImage.note.textContent = `error ${(100 * error).toFixed(1)} %`;
  }

  watch(ask);
  frames.add(draw);
  return { boxes: pictures.map(({ box }) => box), result: () => error !== undefined && { error, substitute } };
}

/** Return the canvas of an image, the note below it, and the box around both. */
function picture(title, size) {
  const canvas = make("canvas", { width: size, height: size, role: "img", "aria-label": title });
  const note = make("div", { class: "vx-note" });
  return { canvas, note, box: make("div", {}, heading(title), canvas, note) };
}

/** Return the difference of a decoded image and the true one, and its mean square over the true image's variance. */
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
