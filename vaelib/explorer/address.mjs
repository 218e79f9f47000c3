/** The state in the page's address, #explorer?…: written after a change, followed when a link has another. */
import { same } from "./state.mjs";

const BEGINNING = "#explorer?";

/** Return the fragment that says a state; μ is in it only if it has left the sheet. */
function writeFragment({ run, epoch, parameters, color, view, mu }, free) {
  const short = (values, digits) => values.map((value) => Number(value.toFixed(digits))).join(",");
  const parts = { run, epoch, at: short(parameters, 3), color, view: short(view, 0) };
  if (free) parts.mu = short(mu, 3);
  return `${BEGINNING}${Object.entries(parts).map((part) => part.join("=")).join("&")}`;
}

/** Return the changes that a fragment asks for and that can be had. */
function readFragment(fragment, { info, runs }) {
  const asked = Object.fromEntries(new URLSearchParams(fragment.slice(BEGINNING.length)));
  const several = (text, n) => {
    const values = (text ?? "").split(",").map(Number);
    return text && values.length === n && values.every(Number.isFinite) ? values : null;
  };
  const changes = {};
  if (Object.hasOwn(runs, asked.run)) changes.run = asked.run;
  if (/^\d+$/.test(asked.epoch)) changes.epoch = Number(asked.epoch);
  if (Object.hasOwn(info.colormaps, asked.color)) changes.color = asked.color;
  const lists = { parameters: several(asked.at, 2), view: several(asked.view, 2), mu: several(asked.mu, 3) };
  for (const [name, values] of Object.entries(lists)) if (values) changes[name] = values;
  return changes;
}

/** Keep the address and the state together, if `linked`; return `follow`, which takes what the address asks for. */
export function openAddress(chosen, { linked, ending }, stop) {
  const { state, onSheet, isFree, rejoin, change, watch } = chosen;
  let timer;

  watch((_before, tell) => {
    if (!linked || !tell) return;
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
