// From a folder on disk a browser may not fetch the pages that the search found, so only their titles are listed.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// What the theme's buttons show is what they are called: the switch by the mode it stands at, the search by its words.
{
  const modes = { auto: "System Settings", light: "Light", dark: "Dark" }; // the titles of its pictures

  function nameSwitches() {
    const name = `Color mode: ${modes[document.documentElement.dataset.mode] ?? modes.auto}`;
    for (const button of document.querySelectorAll(".theme-switch-button")) button.setAttribute("aria-label", name);
  }

  document.addEventListener("DOMContentLoaded", () => {
    nameSwitches();
    new MutationObserver(nameSwitches).observe(document.documentElement, { attributeFilter: ["data-mode"] });
    document.querySelectorAll(".search-button-field").forEach((button) => button.removeAttribute("aria-label"));
  });
}

// What is wider than its column is scrolled by keys too. The theme sees to that for code alone, and only on wide screens.
{
  function reach() {
    const wide = "mjx-container[display=true], .pst-scrollable-table-container, pre, .cell_output > .output";
    for (const part of document.querySelectorAll(wide)) {
      const scrolls = part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
      if (scrolls) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  }

  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    reach();
    window.addEventListener("resize", reach);
  });
}

// A turnable figure waits in a <template> until it comes near the window: drawing in 3-D is slow, and a page has many.
{
  const scripts = new Map();

  function loadOnce(source) {
    if (!scripts.has(source)) {
      scripts.set(source, new Promise((done, failed) => {
        const script = Object.assign(document.createElement("script"), { src: source, onload: done, onerror: failed });
        document.head.append(script);
      }));
    }
    return scripts.get(source);
  }

  async function wake(figure) {
    const asleep = figure.querySelector(":scope > template");
    if (!asleep || figure.dataset.waking) return;
    figure.dataset.waking = "true";
    await loadOnce(figure.dataset.script);
    figure.querySelector(":scope > .stand-in")?.remove();
    asleep.replaceWith(asleep.content.cloneNode(true)); // its scripts run as they enter the page
  }

  document.addEventListener("DOMContentLoaded", () => {
    const figures = [...document.querySelectorAll(".living-figure[data-script]")];
    const watch = new IntersectionObserver(
      (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => wake(entry.target)),
      { rootMargin: "300px" },
    );
    figures.forEach((figure) => watch.observe(figure));
    window.addEventListener("beforeprint", () => figures.forEach(wake));
  });
}

// A film's speed and loop, as controls beside it: browsers hide the first in a menu or leave it out.
{
  const SPEEDS = [0.25, 0.5, 1, 2];

  function addControls(video) {
    const speed = document.createElement("select");
    speed.append(...SPEEDS.map((value) => new Option(`${value}×`, value, value === 1, value === 1)));
    speed.onchange = () => { video.playbackRate = Number(speed.value); };
    const loop = Object.assign(document.createElement("input"), { type: "checkbox", checked: video.loop });
    loop.onchange = () => {
      const { ended } = video; // asked first: a film that loops has never ended
      video.loop = loop.checked;
      if (video.loop && ended) video.play().catch(() => {}); // paused again before it began
    };
    const bar = Object.assign(document.createElement("div"), { className: "film-controls" });
    for (const [name, control] of [["speed", speed], ["loop", loop]]) {
      const label = document.createElement("label");
      label.append(name, " ", control);
      bar.append(label);
    }
    video.after(bar);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("video.living-figure").forEach(addControls);
  });
}
