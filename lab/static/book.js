// What is wider than the page scrolls by itself (book.css); so that the keyboard can scroll it too,
// it has to take the focus.
(() => {
  "use strict";
  const mark = () => {
    /** @type {NodeListOf<HTMLElement>} */
    const parts = document.querySelectorAll(".bd-article :is(table, div.math, pre)");
    for (const part of parts) {
      if (part.scrollWidth > part.clientWidth + 1) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  };
  addEventListener("load", mark);
  addEventListener("resize", mark);
})();

// Figures that run circuits: their scripts are loaded only where there is one, from this folder.
(() => {
  "use strict";
  const { src } = /** @type {HTMLScriptElement} */ (document.currentScript);
  const here = src.replace(/[^/]*$/, "");
  /** @param {string} name */
  const load = (name) => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.onload = done;
    script.onerror = failed;
    script.src = here + name;
    document.head.append(script);
  });
  const start = async () => {
    if (!document.querySelector(".sbp-figure")) return;
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = `${here}figures/figures.css`;
    document.head.append(style);
    const names = ["lab/packed.js", "lab/engine.js", "figures/data.js"];
    if (document.querySelector("[data-figure='film']")) {
      names.push("lab/data.js", "lab/draw.js", "lab/network.js");
    }
    if (document.querySelector("[data-figure='verify']")) names.push("figures/traces.js");
    for (const name of [...names, "figures/kit.js", "figures/wiring.js", "figures/kinds.js",
      "figures/puzzles.js"]) {
      await load(name);
    }
    await window.SBP.figures.start();
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
