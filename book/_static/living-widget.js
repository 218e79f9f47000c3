// Runs an anywidget in a page without a kernel: its module, its state and its bytes are in the page, and an object
// like anywidget's model stands in for the kernel. It waits behind a picture until it comes near the window.
{
  class Model extends EventTarget {
    constructor(state) {
      super();
      this.state = state;
      this.listeners = new Map();
    }

    get(name) {
      return this.state[name];
    }

    set(name, value) {
      this.state[name] = value;
      this.dispatchEvent(new Event(`change:${name}`));
    }

    save_changes() {} // there is no kernel to send them to

    on(name, listener) {
      this.listeners.set(listener, () => listener());
      this.addEventListener(name, this.listeners.get(listener));
    }

    off(name, listener) {
      this.removeEventListener(name, this.listeners.get(listener));
    }
  }

  function bytes(base64) {
    return new DataView(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer);
  }

  async function wake(widget) {
    if (widget.dataset.waking) return;
    widget.dataset.waking = "true";
    const { esm, css, state, buffers } = JSON.parse(widget.querySelector("script").textContent);
    for (const [name, base64] of Object.entries(buffers)) state[name] = bytes(base64);
    const address = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
    const element = document.createElement("div");
    try {
      const { default: module } = await import(address);
      widget.append(Object.assign(document.createElement("style"), { textContent: css }), element);
      await module.render({ model: new Model(state), el: element });
      widget.classList.add("awake");
    } catch (error) {
      element.remove(); // the picture stays
      console.error(error);
    } finally {
      URL.revokeObjectURL(address);
    }
  }

  // A link to a state of the widget, #name?…, wakes it and scrolls to it.
  async function follow(widget) {
    if (!location.hash.startsWith(`#${widget.id}?`)) return;
    await wake(widget);
    widget.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("DOMContentLoaded", () => {
    const widgets = [...document.querySelectorAll(".living-widget")];
    const observer = new IntersectionObserver(
      (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => wake(entry.target)),
      { rootMargin: "200px" },
    );
    widgets.forEach((widget) => observer.observe(widget));
    widgets.forEach(follow);
    window.addEventListener("hashchange", () => widgets.forEach(follow));
  });
}
