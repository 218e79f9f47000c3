/** The state in the page's address, #explorer?…: written after a change, read when a link sets another. */
import { same } from "./state.mjs";

const BEGINNING = "#explorer?";

/** Return the fragment that holds a state; μ is in it only if it has left the sheet. */
function writeFragment({ run, epoch, parameters, color, view, mu }, free) {
  const rounded = (values, digits) => values.map((value) => Number(value.toFixed(digits))).join(",");
  const parts = { run, epoch, at: rounded(parameters, 3), color, view: rounded(view, 0) };
  if (free) parts.mu = rounded(mu, 3);
  return `${BEGINNING}${Object.entries(parts).map((part) => part.join("=")).join("&")}`;
}

/** Return the changes that a fragment asks for, without those that are not allowed. */
function readFragment(fragment, { info, runs }) {
  const query = Object.fromEntries(new URLSearchParams(fragment.slice(BEGINNING.length)));
  const numbers = (text, n) => {
    const values = (text ?? "").split(",").map(Number);
    return text && values.length === n && values.every(Number.isFinite) ? values : null;
  };
  const changes = {};
  if (Object.hasOwn(runs, query.run)) changes.run = query.run;
  if (/^\d+$/.test(query.epoch)) changes.epoch = Number(query.epoch);
  if (Object.hasOwn(info.colormaps, query.color)) changes.color = query.color;
  const lists = { parameters: numbers(query.at, 2), view: numbers(query.view, 2), mu: numbers(query.mu, 3) };
  for (const [name, values] of Object.entries(lists)) if (values) changes[name] = values;
  return changes;
}

/** Keep the address in step with the state, if `linked`; return `follow`, which changes the state as it asks. */
export function openAddress(chosen, { linked, ending }, stop) {
  const { state, onSheet, isFree, rejoin, change, watch } = chosen;
  let timer;

  watch((_before, published) => {
    if (!linked || !published) return;
    clearTimeout(timer); // browsers refuse an address that changes at every frame
    timer = setTimeout(() => history.replaceState(null, "", writeFragment(state, isFree())), 250);
  });

  function follow() {
    if (!linked || !location.hash.startsWith(BEGINNING)) return;
    const changes = readFragment(location.hash, chosen);
    stop();
    if (!changes.mu) rejoin();
    change(changes);
    if (!changes.mu && !same(state.mu, onSheet())) change({ mu: onSheet() });
  }

  window.addEventListener("hashchange", follow, { signal: ending });
  ending.addEventListener("abort", () => clearTimeout(timer));
  return { follow };
}
