/**
 * The explorer: parameter space, latent space and images, linked, on canvases.
 *
 * One state says everything that is shown; `change` is the only way to alter it, and it redraws, decodes, and tells the
 * model (the kernel's traits) and the page's address. Units: a and b as in the text, latents as the encoder has them,
 * positions on a canvas in CSS pixels.
 */
import { along, circle, clamp, dot, mix, nearest, paint, paper } from "./canvas.mjs";
import { path, rotation, steps, underlay, write } from "./canvas.mjs";
import { rasterise } from "./curve.mjs";
import { openRun, startDecoder } from "./runs.mjs";

const SYMBOLS = ["μ₁", "μ₂", "μ₃"];
const EPOCH_MS = 900; // of the film of a training
const WALK_MS = 7000; // along a transect, end to end
const REACH = 14; // pixels round a training point within which it is meant
const TRAIL = 90; // places that the trail remembers

/** Make an element; attributes that are functions become listeners. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function render({ model, el }) {
  const info = model.get("info");
  const { ranges, image_size: size, hole, transects } = info;
  const runs = Object.fromEntries(info.runs.map((entry) => [entry.name, openRun(entry, model.get("data"), ranges)]));
  const palettes = Object.fromEntries(
    Object.entries(info.colormaps).map(([name, digits]) => [name, digits.match(/.{6}/g).map((color) => `#${color}`)]),
  );
  const ending = new AbortController(); // ends every listener outside this element
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const linked = Boolean(model.get("linked")); // to the page's address: a notebook's address is not the widget's

  const names = ["run", "epoch", "parameters", "mu", "color", "transect"]; // of the model's traits
  const state = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  state.view = runs[state.run].view;
  let free = false; // μ was set to leave the sheet
  let shownEpoch = state.epoch; // follows the epoch, so that the sheet is seen to move
  let hovered = -1; // a training point
  let trail = [];
  let truth, decoded, error; // images, 0 to 255, and the squared error over the true image's variance
  let asked, answered; // what the images are to be of, and what the decoded one is of
  let playing = null;
  const run = () => runs[state.run];
  const onSheet = () => run().means(state.parameters, state.epoch);
  const offSheet = () => onSheet().some((value, i) => Math.abs(value - state.mu[i]) > 1e-4);
  const inHole = ([a, b]) => Math.hypot(a - hole[0], b - hole[1]) < hole[2];

  // ---- The elements ----
  const choice = (label, options, chosen) => {
    const listed = options.map(([value, text]) => make("option", { value }, text));
    return make("select", { "aria-label": label, change: chosen }, ...listed);
  };
  const slider = (label, options, moved) =>
    make("input", { type: "range", "aria-label": label, ...options, input: moved });
  const button = (label, text, click, more = {}) =>
    make("button", { type: "button", "aria-label": label, click, ...more }, text);
  const group = (...parts) => make("div", { class: "vx-group" }, ...parts);
  const symbol = (text) => make("i", {}, text);
  const view = (kind, label, title, ...more) => {
    const canvas = make("canvas", { tabindex: "0", role: "application", "aria-label": label });
    const tip = make("div", { class: "vx-tip", hidden: "" }, make("canvas", { "aria-hidden": "true" }), make("span"));
    const head = make("div", { class: "vx-title" }, make("b", {}, title), ...more);
    return { box: make("div", { class: `vx-view vx-${kind}` }, head, canvas, tip), canvas, tip };
  };
  const labels = Object.values(runs).map(({ name, label }) => [name, label]);
  const runChoice = choice("run", labels, () => change({ run: runChoice.value }));
  const epochSlider = slider("epoch", { min: 0, step: 1, max: run().epochs }, () => {
    stop();
    change({ epoch: Number(epochSlider.value) });
  });
  const epochTold = make("output");
  const playButton = button("play the training", "▶", playTraining);
  const colorings = Object.keys(palettes).map((name) => [name, name]);
  const colorChoice = choice("colour", colorings, () => change({ color: colorChoice.value }));
  const walks = Object.entries(transects).map(([name, { color }]) =>
    button(`walk along transect ${name}`, name, () => walk(name), { class: "vx-walk", style: `--vx-walk: ${color}` }),
  );
  const scale = make("span");
  const parameterView = view(
    "parameters",
    "Parameter space: a to the right, b downward. Arrow keys move the point, with Shift in larger steps; " +
      "Enter shows the nearest training image.",
    "Parameter space",
  );
  const latentView = view(
    "latents",
    "Latent space in three dimensions. Arrow keys turn it; Enter shows the nearest training image.",
    "Latent space",
    group(make("label", {}, "colour"), colorChoice, scale),
  );
  const pictures = ["True curve", "Decoded", "Difference"].map((title) => {
    const canvas = make("canvas", { width: size, height: size, role: "img", "aria-label": title });
    const note = make("div", { class: "vx-note" });
    const head = make("div", { class: "vx-title" }, make("b", {}, title));
    return { canvas, note, box: make("div", {}, head, canvas, note) };
  });
  const muSliders = SYMBOLS.map((name, axis) => {
    const told = make("output");
    const input = slider(`latent ${name}`, { step: "any" }, () => {
      stop();
      change({ mu: state.mu.map((value, i) => (i === axis ? Number(input.value) : value)) });
    });
    input.addEventListener("keydown", (event) => {
      const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!direction) return; // a slider without steps has none for keys either
      event.preventDefault();
      input.value = Number(input.value) + direction * 0.1;
      input.dispatchEvent(new Event("input"));
    });
    return { input, told, label: make("label", {}, symbol(name), input, told) };
  });
  const back = button("back to the sheet", "Back to the sheet", () => change({ mu: onSheet() }));
  const told = make("p", { class: "vx-state", "aria-live": "polite" });
  const controls = make(
    "div",
    { class: "vx-controls" },
    group(make("label", {}, "Run"), runChoice),
    group(make("label", {}, "Epoch"), playButton, epochSlider, epochTold),
    group(make("label", {}, "Walk"), ...walks),
  );
  const title = make("div", { class: "vx-title" }, make("b", {}, "Latents"));
  const sliders = make("div", { class: "vx-sliders" }, title, ...muSliders.map(({ label }) => label), back);
  const bottom = make("div", { class: "vx-bottom" }, ...pictures.map(({ box }) => box), sliders);
  const all = make("div", { class: "vx-frame" }, controls, parameterView.box, latentView.box, bottom, told);
  const name = "Explorer of the parameter space, the latent space and the decoder";
  const root = make("div", { class: "vx", role: "group", "aria-label": name }, all);

  // ---- The state ----
  function change(changes, { tell = true } = {}) {
    const before = { ...state };
    Object.assign(state, changes);
    state.epoch = clamp(Math.round(state.epoch), 0, run().epochs);
    state.parameters = state.parameters.map((value, i) => clamp(value, ...ranges["ab"[i]]));
    const moved = !same(before.parameters, state.parameters);
    const other = before.run !== state.run || before.epoch !== state.epoch;
    if (changes.mu) free = offSheet();
    else if (moved || (other && !free)) [state.mu, free] = [onSheet(), false];
    if (before.run !== state.run) {
      shownEpoch = state.epoch;
      if (!changes.view) state.view = run().view;
    }
    if (other) trail = [];
    else if (!same(before.mu, state.mu)) trail = [...trail.slice(1 - TRAIL), before];
    if (same(before, state)) return;
    hover(-1);
    refresh();
    if (!tell) return;
    for (const name of names) {
      if (!same(before[name], state[name])) model.set(name, state[name]);
    }
    model.save_changes();
    remember();
  }

  /** Bring everything up to the state: the curve, the decoder's answer, the controls, the views. */
  function refresh() {
    const epoch = run().decoderEpoch(state.epoch);
    // An epoch without a decoder is decoded by the one before, from where that one's encoder puts the curve.
    const mu = free ? state.mu : run().means(state.parameters, epoch);
    const wanted = JSON.stringify([state.run, state.epoch, state.parameters, mu]);
    if (wanted !== asked) { // the colours and the view leave the images as they are
      asked = wanted;
      root.dataset.current = false; // until the pictures are of what was asked for last
      decoder.ask({ run: state.run, epoch, mu, free, wanted });
      truth = rasterise(...state.parameters, run().line_width, info);
    }
    runChoice.value = state.run;
    Object.assign(epochSlider, { max: run().epochs, value: state.epoch });
    epochTold.textContent = state.epoch;
    colorChoice.value = state.color;
    for (const walk of walks) walk.setAttribute("aria-pressed", String(walk.textContent === state.transect));
    muSliders.forEach(({ input, told }, axis) => {
      const wide = 1.6 * run().reach; // well beyond the sheet
      Object.assign(input, { min: run().centre[axis] - wide, max: run().centre[axis] + wide, value: state.mu[axis] });
      told.textContent = state.mu[axis].toFixed(2);
    });
    back.disabled = !free;
    const [a, b] = state.parameters.map((value) => value.toFixed(2));
    pictures[0].note.textContent = `a = ${a}, b = ${b}`;
    redraw();
  }

  /** Take the decoder's answer. By then the curve may be another, so the error is that of the two as they are shown. */
  function show(image, request, milliseconds) {
    [decoded, answered] = [image, request.wanted];
    root.dataset.milliseconds = milliseconds.toFixed(2);
    instead = request.epoch === state.epoch ? "" : `epoch ${request.epoch}'s decoder${request.free ? "" : " and μ"}`;
    pictures[1].note.textContent = `${instead && `${instead}, `}${milliseconds.toFixed(0)} ms in this page`;
    redraw();
  }

  let [announcing, instead] = [0, ""]; // a timer; what has decoded the image, where the shown epoch has no decoder
  function announce() {
    announcing ||= setTimeout(() => {
      announcing = 0; // while things move, the line follows in steps that can be read
      if (!decoded) return;
      const [a, b] = state.parameters.map((value) => value.toFixed(2));
      const place = `a = ${a}, b = ${b}${inHole(state.parameters) ? " (in the hole)" : ""}`;
      const mu = `μ = (${state.mu.map((value) => value.toFixed(2)).join(", ")})${free ? ", off the sheet" : ""}`;
      const found = `error ${(100 * error).toFixed(1)} % of the curve's variance${instead && ` with ${instead}`}`;
      const text = `${run().label}, epoch ${state.epoch}: ${place}; ${mu}; ${found}.`;
      if (told.textContent !== text) told.textContent = text;
    }, 500);
  }

  // ---- The page's address ----
  let remembering;
  function remember() {
    if (!linked) return;
    clearTimeout(remembering);
    remembering = setTimeout(() => history.replaceState(null, "", address()), 250);
  }

  function address() {
    const short = (values, digits) => values.map((value) => Number(value.toFixed(digits))).join(",");
    const { run, epoch, color } = state;
    const parts = { run, epoch, at: short(state.parameters, 3), color, view: short(state.view, 0) };
    if (free) parts.mu = short(state.mu, 3);
    return `#explorer?${Object.entries(parts).map((part) => part.join("=")).join("&")}`;
  }

  /** Take what an address asks for and can be had. */
  function follow() {
    if (!linked || !location.hash.startsWith("#explorer?")) return;
    const asked = Object.fromEntries(new URLSearchParams(location.hash.slice("#explorer?".length)));
    const several = (text, n) => {
      const values = (text ?? "").split(",").map(Number);
      return text && values.length === n && values.every(Number.isFinite) ? values : null;
    };
    const changes = {};
    if (asked.run in runs) changes.run = asked.run;
    if (/^\d+$/.test(asked.epoch)) changes.epoch = Number(asked.epoch);
    if (asked.color in palettes) changes.color = asked.color;
    const lists = { parameters: several(asked.at, 2), view: several(asked.view, 2), mu: several(asked.mu, 3) };
    for (const [name, values] of Object.entries(lists)) if (values) changes[name] = values;
    stop();
    if (!changes.mu) free = false;
    change(changes);
    if (!changes.mu && !same(state.mu, onSheet())) change({ mu: onSheet() });
  }

  // ---- Playing ----
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

  // ---- Drawing ----
  let theme = {};
  function readTheme() {
    const style = getComputedStyle(root);
    const read = (name) => [name, style.getPropertyValue(`--vx-${name}`).trim()];
    theme = Object.fromEntries(["ink", "muted", "paper", "well"].map(read));
  }

  let [frame, lastTime] = [0, 0];
  function redraw() {
    frame ||= requestAnimationFrame(draw);
  }

  function draw(now) {
    frame = 0;
    readTheme(); // anew, because a notebook puts the widget into its page only after it is made
    const away = state.epoch - shownEpoch;
    const share = 1 - Math.exp(-clamp(now - lastTime, 1, 40) / 150);
    shownEpoch = calm.matches || Math.abs(away) < 0.01 ? state.epoch : shownEpoch + away * share;
    lastTime = now;
    if (shownEpoch !== state.epoch) redraw();
    paintPoints();
    drawParameters();
    drawLatents();
    drawImages();
    announce();
  }

  let paints = {}; // the colours of the training points; mixed anew when another key says so
  function paintPoints() {
    const key = [state.run, state.color, state.color === "error" && run().errorsEpoch(state.epoch)].join();
    if (key === paints.key) return;
    const { values, others, ends } = run().values(state.color, state.epoch);
    const palette = palettes[state.color];
    const share = (value) => clamp((value - ends[0]) / (ends[1] - ends[0]), 0, 1);
    const tint = (value) => palette[Math.round(share(value) * (palette.length - 1))];
    paints = { key, colors: Array.from(values, tint), others: others && Array.from(others, tint) };
    const percents = ends.map((value) => `${(100 * value).toFixed(0)} %`);
    const [low, high] = state.color === "error" ? [percents[0], `≥ ${percents[1]}`] : ends;
    const style = `background: linear-gradient(90deg, ${palette.join()})`;
    scale.replaceChildren(low, make("span", { class: "vx-bar", style }), high);
  }

  const [underParameters, underLatents] = [underlay(), underlay()];
  let toParameters, parameterPlace; // pixels to (a, b), and back
  function drawParameters() {
    const { pen, width, height } = paper(parameterView.canvas);
    const [left, right, top, bottom] = [34, 10, 8, 34];
    const [spanA, spanB] = [ranges.a[1] - ranges.a[0], ranges.b[1] - ranges.b[0]];
    const perUnit = Math.min((width - left - right) / spanA, (height - top - bottom) / spanB);
    const shift = left + (width - left - right - perUnit * spanA) / 2;
    parameterPlace = ([a, b]) => [shift + perUnit * (a - ranges.a[0]), top + perUnit * (b - ranges.b[0])];
    toParameters = (x, y) => [ranges.a[0] + (x - shift) / perUnit, ranges.b[0] + (y - top) / perUnit];
    underParameters(pen, [theme, paints.key, state.transect], drawSpace);
    const other = run().points.slice(2 * hovered, 2 * hovered + 2);
    mark(pen, parameterPlace, (past) => past.parameters, state.parameters, other);
  }

  function drawSpace(pen) {
    const [x0, y0] = parameterPlace([ranges.a[0], ranges.b[0]]);
    const [x1, y1] = parameterPlace([ranges.a[1], ranges.b[1]]);
    pen.fillStyle = theme.well;
    pen.fillRect(x0, y0, x1 - x0, y1 - y0);
    const { muted: color } = theme;
    for (const value of [0.5, 1, 1.5, 2]) write(pen, value, parameterPlace([value, 0])[0], y1 + 12, { color });
    for (const value of [0, 0.5, 1, 1.5, 2]) {
      write(pen, value, x0 - 8, parameterPlace([0, value])[1], { color, align: "right" });
    }
    write(pen, "a", (x0 + x1) / 2, y1 + 24, { color: theme.ink, italic: true });
    write(pen, "b", x0 - 28, (y0 + y1) / 2, { color: theme.ink, italic: true });
    const { points, others } = run();
    const scatter = (places, radius, color) => {
      for (let i = 0; 2 * i < places.length; i++) {
        dot(pen, parameterPlace([places[2 * i], places[2 * i + 1]]), radius, color(i));
      }
    };
    pen.globalAlpha = 0.45; // those that the latent space leaves out
    scatter(others, 1.1, (i) => paints.others?.[i] ?? theme.muted);
    pen.globalAlpha = 1;
    scatter(points, 1.7, (i) => paints.colors[i]);
    path(pen, circle(hole).map(parameterPlace), { color: theme.ink, width: 1.5, dash: [5, 4] });
    for (const [name, line] of Object.entries(transects)) {
      const chosen = name === state.transect;
      path(pen, line.ends.map(parameterPlace), { color: line.color, width: chosen ? 3.5 : 1.8, alpha: 0.9 });
    }
  }

  /** Draw the trail, the hovered training point and the current point on top of all else. */
  function mark(pen, place, of, current, other) {
    const past = [...trail.map(of), current].map(place);
    for (let i = 1; i < past.length; i++) {
      path(pen, [past[i - 1], past[i]], { color: theme.ink, width: 2, alpha: (0.7 * i) / past.length });
    }
    if (hovered >= 0) dot(pen, place(Array.from(other)), 5.5, paints.colors[hovered], theme.ink);
    dot(pen, place(current), 8, theme.ink);
    dot(pen, place(current), 6, theme.paper);
    dot(pen, place(current), 4, theme.ink);
  }

  let latentPlaces = []; // of the training points, in pixels
  function drawLatents() {
    const { pen, width, height } = paper(latentView.canvas);
    const rows = rotation(state.view);
    const perUnit = (0.5 * Math.min(width, height)) / run().reach;
    const seen = (mu) => rows.map((row) => row.reduce((sum, value, i) => sum + value * (mu[i] - run().centre[i]), 0));
    const onPaper = ([x, y]) => [width / 2 + perUnit * x, height / 2 - perUnit * y];
    const place = (mu) => onPaper(seen(mu));
    const mu = run().embeddingAt(shownEpoch);
    const key = [theme, paints.key, state.transect, state.view, shownEpoch];
    underLatents(pen, key, (below) => drawSheet(below, mu, seen, onPaper));
    const current = free ? state.mu : run().means(state.parameters, shownEpoch);
    mark(pen, place, (past) => past.mu, current, mu.subarray(3 * hovered, 3 * hovered + 3));
  }

  function drawSheet(pen, mu, seen, onPaper) {
    const place = (point) => onPaper(seen(point));
    const ends = SYMBOLS.map((name, axis) => {
      const at = (value) => place([0, 1, 2].map((i) => (i === axis ? value : 0)));
      const arm = 0.75 * run().reach;
      path(pen, [at(-arm), at(arm)], { color: theme.muted, alpha: 0.7 });
      for (let value = -Math.floor(arm); value <= arm; value++) dot(pen, at(value), 1.8, theme.muted);
      return { name, at: at(1.12 * arm) };
    });
    const whole = Array.from({ length: run().count }, (_, i) => seen(mu.subarray(3 * i, 3 * i + 3)));
    latentPlaces = whole.map(onPaper);
    const order = whole.map((_, i) => i).sort((i, j) => whole[i][2] - whole[j][2]);
    // The parameter space's own grid, carried into the latent space.
    const carried = (points, options) =>
      path(pen, points.map((point) => place(run().means(point, shownEpoch))), options);
    for (const share of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      const [a, b] = [mix(...ranges.a, share), mix(...ranges.b, share)];
      carried(steps(40, (s) => [a, mix(...ranges.b, s)]), { color: theme.muted, alpha: 0.45 });
      carried(steps(30, (s) => [mix(...ranges.a, s), b]), { color: theme.muted, alpha: 0.45 });
    }
    const near = (i) => clamp(whole[i][2] / run().reach + 1, 0, 2);
    for (const i of order) dot(pen, latentPlaces[i], 1.3 + 0.7 * near(i), paints.colors[i]);
    for (const { name, at } of ends) write(pen, name, ...at, { color: theme.ink, italic: true, halo: theme.paper });
    carried(circle(hole), { color: theme.ink, width: 1.5, dash: [5, 4] });
    for (const [name, line] of Object.entries(transects)) {
      const width = name === state.transect ? 3.5 : 1.8;
      carried(steps(30, (share) => along(line, share)), { color: line.color, width, alpha: 0.9 });
    }
  }

  let compared; // the two images that the pictures show
  function drawImages() {
    if (!decoded || (compared?.truth === truth && compared.decoded === decoded)) return;
    compared = { truth, decoded };
    let [sum, squares, errors] = [0, 0, 0];
    const difference = decoded.map((value, i) => {
      const exact = truth[i] / 255;
      sum += exact;
      squares += exact * exact;
      errors += (value - exact) ** 2;
      return value - exact;
    });
    const count = decoded.length;
    error = errors / count / (squares / count - (sum / count) ** 2);
    Object.assign(root.dataset, { error, current: answered === asked });
    paint(pictures[0].canvas, (i) => [truth[i], truth[i], truth[i]]);
    paint(pictures[1].canvas, (i) => [255 * decoded[i], 255 * decoded[i], 255 * decoded[i]]);
    // Too bright is orange, too dark is sky blue: two colours that the colour-blind can tell apart.
    // Shown twice as bright as it is, to be seen at all.
    paint(pictures[2].canvas, (i) => {
      const strength = Math.min(1, 2 * Math.abs(difference[i]));
      return (difference[i] > 0 ? [230, 159, 0] : [86, 180, 233]).map((part) => part * strength);
    });
    pictures[2].note.textContent = `error ${(100 * error).toFixed(1)} %`;
  }

  // ---- Pointing ----
  const position = (event) => [event.offsetX, event.offsetY];
  const pointOf = (i) => Array.from(run().points.subarray(2 * i, 2 * i + 2));
  const parameterPlaces = () => Array.from({ length: run().count }, (_, i) => parameterPlace(pointOf(i)));

  /** Show a training point in both views, and its image beside it in the one that was pointed at; -1 for none. */
  function hover(i, { canvas, tip } = {}, places = []) {
    for (const other of [parameterView, latentView]) other.tip.hidden = true;
    if (i >= 0) {
      const [a, b] = pointOf(i);
      const thumbnail = tip.firstChild;
      Object.assign(thumbnail, { width: size, height: size });
      const image = rasterise(a, b, run().line_width, info);
      paint(thumbnail, (k) => [image[k], image[k], image[k]]);
      tip.lastChild.textContent = `a = ${a.toFixed(2)}, b = ${b.toFixed(2)}`;
      tip.hidden = false;
      const [x, y] = places[i];
      tip.style.left = `${clamp(x + 14, 0, canvas.clientWidth - 100)}px`;
      tip.style.top = `${clamp(canvas.offsetTop + y - 60, 0, canvas.offsetTop + canvas.clientHeight - 110)}px`;
    }
    if (i !== hovered) redraw();
    hovered = i;
  }

  function pointing({ canvas }, { move, hoverAt, tap = () => {} }) {
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return; // another button means something else, a second finger too
      hover(-1);
      from = { at: position(event), view: state.view, far: false };
      canvas.setPointerCapture(event.pointerId);
      stop();
      move(event, from);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return void (event.pointerType !== "touch" && hoverAt(position(event)));
      from.far ||= Math.hypot(event.offsetX - from.at[0], event.offsetY - from.at[1]) > 4;
      move(event, from);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (from && !from.far) tap(position(event), event.pointerType === "touch");
      from = null;
    });
    canvas.addEventListener("pointercancel", () => (from = null)); // the page is scrolled instead
    // A finger leaves whenever it is lifted: what it tapped stays until something else happens.
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "touch" || hover(-1));
  }

  const overParameters = (at, byFinger) => {
    const places = parameterPlaces();
    hover(nearest(at, places, byFinger ? REACH : 6), parameterView, places);
  };
  pointing(parameterView, {
    move: (event) => change({ parameters: toParameters(...position(event)) }),
    hoverAt: overParameters,
    tap: overParameters,
  });
  pointing(latentView, {
    move(event, from) {
      if (!from.far) return;
      const [x, y] = position(event);
      turn(from.view[0] - 0.5 * (x - from.at[0]), from.view[1] + 0.5 * (y - from.at[1]));
    },
    hoverAt: (at) => hover(nearest(at, latentPlaces, 8), latentView, latentPlaces),
    tap(at) {
      const i = nearest(at, latentPlaces, REACH);
      if (i < 0) return;
      change({ parameters: pointOf(i) });
      hover(i, latentView, latentPlaces);
    },
  });

  function turn(azimuth, elevation) {
    change({ view: [((azimuth + 540) % 360) - 180, clamp(elevation, -90, 90)] });
  }

  /** Let arrow keys call `step(right, down)`, and Enter show the nearest training image. */
  function keys(view, places, step) {
    view.canvas.addEventListener("keydown", (event) => {
      const arrow = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (!arrow && event.key !== "Enter") return;
      event.preventDefault();
      const here = () => nearest(parameterPlace(state.parameters), parameterPlaces(), Infinity);
      if (!arrow) return hover(here(), view, places());
      stop();
      hover(-1);
      step(...arrow.map((direction) => direction * (event.shiftKey ? 5 : 1)));
    });
    view.canvas.addEventListener("blur", () => hover(-1));
  }
  const shift = (right, down) => [state.parameters[0] + 0.02 * right, state.parameters[1] + 0.02 * down];
  const turned = (right, down) => turn(state.view[0] - 5 * right, state.view[1] + 5 * down);
  keys(parameterView, parameterPlaces, (right, down) => change({ parameters: shift(right, down) }));
  keys(latentView, () => latentPlaces, turned);

  // ---- Life ----
  const decoder = startDecoder(info.decoder, ({ run: name, epoch }) => runs[name].halves(epoch), show);
  el.append(root);
  const listeners = names.map((name) => {
    const listener = () => {
      const value = model.get(name);
      if (same(value, state[name])) return;
      if (name === "transect") walk(value);
      // What follows from it the kernel moves itself; told of it, it would take that for a later wish.
      else change({ [name]: value }, { tell: false });
    };
    return [`change:${name}`, listener];
  });
  for (const [name, listener] of listeners) model.on(name, listener);
  window.addEventListener("hashchange", follow, { signal: ending.signal });
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  for (const query of [dark, calm]) query.addEventListener("change", redraw, { signal: ending.signal });
  const themes = new MutationObserver(redraw);
  for (const element of [document.documentElement, document.body]) themes.observe(element, { attributes: true });
  const sizes = new ResizeObserver(redraw);
  sizes.observe(root);
  free = offSheet();
  const { transect } = state; // asked for before there was a page to walk in
  state.transect = "";
  refresh();
  follow();
  walk(transect);

  return () => {
    stop();
    ending.abort();
    decoder.stop();
    themes.disconnect();
    sizes.disconnect();
    for (const [name, listener] of listeners) model.off(name, listener);
    [announcing, remembering].forEach(clearTimeout);
    cancelAnimationFrame(frame);
  };
}

export default { render };
