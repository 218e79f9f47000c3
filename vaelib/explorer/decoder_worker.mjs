/** The decoder at work beside the page, in a worker. */
import { DECODER_FUNCTIONS, decode, unpackWeights } from "./decoder.mjs";

/**
 * Answer, in the worker, each message { key, halves, shape, mu } with { image, milliseconds }.
 *
 * key: names the decoder; halves: its weights, in the first message with its key alone.
 */
function answerRequests() {
  const decoders = {};
  self.onmessage = ({ data: { key, halves, shape, mu } }) => {
    if (halves) decoders[key] = unpackWeights(halves, shape);
    const start = performance.now();
    const image = decode(decoders[key], mu);
    self.postMessage({ image, milliseconds: performance.now() - start });
  };
}

/** Return the worker's script, made of the functions' own texts. */
function workerSource() {
  return `${[...DECODER_FUNCTIONS, answerRequests].join("\n")}\nanswerRequests();`;
}

/**
 * Decode in a worker, so that the page stays responsive. While it is busy, only the latest request is kept.
 *
 * shape: that of all decoders; halves: returns the weights for a request { run, epoch, mu }; answer: called with the
 * image, its request and the milliseconds that it took.
 */
export function startDecoder(shape, halves, answer) {
  const address = URL.createObjectURL(new Blob([workerSource()], { type: "text/javascript" }));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  const sentKeys = new Set();
  let [running, waiting] = [null, null];
  const send = (request) => {
    running = request;
    const key = `${request.run} ${request.epoch}`;
    worker.postMessage({ key, mu: request.mu, shape, halves: sentKeys.has(key) ? undefined : halves(request) });
    sentKeys.add(key);
  };
  worker.onmessage = ({ data }) => {
    const answered = running;
    running = null;
    if (waiting) send(waiting);
    waiting = null;
    answer(data.image, answered, data.milliseconds);
  };
  return {
    ask(request) {
      if (running) waiting = request;
      else send(request);
    },
    stop: () => worker.terminate(),
  };
}
