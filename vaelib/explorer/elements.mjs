/** The elements that the explorer is made of: controls, all with an accessible name, and titled canvases. */

/** Make an element; attributes that are functions become listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Make a list to choose from; options: (value, text); `onChange` is called when another is chosen. */
export function choice(label, options, onChange) {
  const entries = options.map(([value, text]) => make("option", { value }, text));
  return make("select", { "aria-label": label, change: onChange }, ...entries);
}

/** Make a slider; options: its further attributes, such as min, max and step; `onInput` is called at every move. */
export const slider = (label, options, onInput) =>
  make("input", { type: "range", "aria-label": label, ...options, input: onInput });

/** Make a button; more: its further attributes. */
export const button = (label, text, onClick, more = {}) =>
  make("button", { type: "button", "aria-label": label, click: onClick, ...more }, text);

/** Keep parts together in one line. */
export const group = (...parts) => make("div", { class: "vx-group" }, ...parts);

/** Make a title, with more beside it. */
export const heading = (title, ...more) => make("div", { class: "vx-title" }, make("b", {}, title), ...more);

/**
 * Make the view of a space: its box, its canvas, which keys reach too, and the tip that shows a training image in it.
 *
 * kind: its class is `vx-kind`; label: its accessible name, with what keys do in it; more: elements beside its title.
 */
export function spaceView(kind, label, title, ...more) {
  const canvas = make("canvas", { tabindex: "0", role: "application", "aria-label": label });
  const tip = make("div", { class: "vx-tip", hidden: "" }, make("canvas", { "aria-hidden": "true" }), make("span"));
  return { box: make("div", { class: `vx-view vx-${kind}` }, heading(title, ...more), canvas, tip), canvas, tip };
}
