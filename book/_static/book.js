// From a folder on disk a browser may not fetch the pages that the search finds, so only their titles are listed.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// The theme's buttons are named by what they show: the switch by its mode, the search by its text.
{
  const modes = { auto: "System Settings", light: "Light", dark: "Dark" }; // the titles of its icons

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

// What is wider than its column can be scrolled by keys too. The theme provides that only for code, on wide screens.
{
  function makeFocusable() {
    const selector = "mjx-container[display=true], .pst-scrollable-table-container, pre, .cell_output > .output";
    for (const element of document.querySelectorAll(selector)) {
      const scrolls = element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight;
      if (scrolls) element.tabIndex = 0;
      else element.removeAttribute("tabindex");
    }
  }

  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    makeFocusable();
    window.addEventListener("resize", makeFocusable);
  });
}

// A 3-D figure waits in a <template> until it comes near the window: drawing it is slow, and a page has many.
{
  const scripts = new Map();

  function loadOnce(source) {
    if (!scripts.has(source)) {
      scripts.set(source, new Promise((onload, onerror) => {
        const script = Object.assign(document.createElement("script"), { src: source, onload, onerror });
        document.head.append(script);
      }));
    }
    return scripts.get(source);
  }

  async function wake(figure) {
    const template = figure.querySelector(":scope > template");
    if (!template || figure.dataset.waking) return;
    figure.dataset.waking = "true";
    await loadOnce(figure.dataset.script);
    figure.querySelector(":scope > .stand-in")?.remove();
    template.replaceWith(template.content.cloneNode(true)); // its scripts run as they enter the page
  }

  document.addEventListener("DOMContentLoaded", () => {
    const figures = [...document.querySelectorAll(".living-figure[data-script]")];
    const observer = new IntersectionObserver(
      (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => wake(entry.target)),
      { rootMargin: "300px" },
    );
    figures.forEach((figure) => observer.observe(figure));
    window.addEventListener("beforeprint", () => figures.forEach(wake));
  });
}

// Controls of a film's speed and loop beside it: browsers hide the speed in a menu or leave it out.
{
  const SPEEDS = [0.25, 0.5, 1, 2];

  function addControls(video) {
    const speed = document.createElement("select");
    speed.append(...SPEEDS.map((value) => new Option(`${value}×`, value, value === 1, value === 1)));
    speed.onchange = () => { video.playbackRate = Number(speed.value); };
    const loop = Object.assign(document.createElement("input"), { type: "checkbox", checked: video.loop });
    loop.onchange = () => {
      const { ended } = video; // read first: a film that loops never counts as ended
      video.loop = loop.checked;
      if (video.loop && ended) video.play().catch(() => {}); // it may be paused again before it starts
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
