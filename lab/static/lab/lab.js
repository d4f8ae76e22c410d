/* The lab: draw a digit and teach it, or train a network from scratch. */
(function () {
  "use strict";

  const { Drawing, Link, Scratch, el, given } = window.SBP;

  /** Put the lab into `root`: two tabs.
   *  @param {HTMLElement} root
   *  @param {Lab.LabData} data */
  function open(root, data) {
    const drawing = new Drawing(data.drawn);
    /** The modes that have been opened. @type {Partial<Lab.Modes>} */
    const lab = { drawing };
    const modes = [
      { title: "Draw and teach", mode: () => drawing },
      { title: "Train from scratch", mode: () => (lab.scratch ??= new Scratch(data.scratch)) },
    ];
    const tabs = modes.map(({ title }, i) => el("button.lab-tab", { type: "button", role: "tab",
      id: `lab-tab-${i}`, "aria-controls": `lab-panel-${i}`, click: () => choose(i),
      keydown: (event) => {
        if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
        choose(1 - i);
        tabs[1 - i].focus();
      } }, title));
    const panels = modes.map((_, i) => el("div", { role: "tabpanel", id: `lab-panel-${i}`,
      "aria-labelledby": `lab-tab-${i}` }));
    /** @type {Lab.Drawing | Lab.Scratch} */
    let current = drawing;
    /** @param {number} chosen */
    function choose(chosen) {
      const mode = modes[chosen].mode();
      if (!mode.root.isConnected) panels[chosen].append(mode.root);
      if (current !== mode) current.bench.pause();
      current = mode;
      tabs.forEach((tab, i) => {
        tab.setAttribute("aria-selected", String(i === chosen));
        tab.tabIndex = i === chosen ? 0 : -1;
        panels[i].hidden = i !== chosen;
      });
      current.restyle();
    }
    root.replaceChildren(
      el("div.lab-head", {},
        el("div.lab-tabs", { role: "tablist", "aria-label": "What to do" }, tabs),
        el("p.lab-lead", {}, "Draw a digit. Where the network is wrong, say so, and it learns.")),
      ...panels);
    choose(0);
    lab.link = new Link(drawing, () => choose(0));
    const restyle = () => requestAnimationFrame(() => current.restyle());
    let width = root.clientWidth;
    new ResizeObserver(() => {
      if (root.clientWidth !== width) restyle();
      width = root.clientWidth;
    }).observe(root);
    new MutationObserver(restyle).observe(document.documentElement,
      { attributes: true, attributeFilter: ["data-theme"] });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    return lab;
  }

  const root = /** @type {HTMLElement} */ (document.getElementById("sbp-lab"));
  if (window.SBP_LAB) given("SBP_LAB").then((data) => { window.SBP.lab = open(root, data); });
  else root.textContent = "The lab's data is missing: python -m sbp.app.lab _static/lab/data.js";
})();
