/* What every figure of the book is made of: elements, sliders, a player, populations as tiles.

   A page holds <div class="sbp-figure" data-figure="NAME">words for where no script runs</div>.
   book.js loads the scripts and calls SBP.figures.start(); a figure is a function (root, data). */
const sbpKit = (function () {
  "use strict";

  /** What builds the figure of a name. @type {Record<string, Lab.Builder>} */
  const kinds = {};
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  /** <tag attributes>children</tag>; an attribute that is a function listens to the event.
   *  @template {string} Tag
   *  @param {Tag} tag
   *  @param {Lab.Attributes} [attributes]
   *  @param {Lab.Child[]} children
   *  @returns {Lab.Named<Tag>} */
  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") {
        node.addEventListener(name, /** @type {EventListener} */ (value));
      } else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== undefined) node.setAttribute(name, String(value));
    }
    node.append(...children);
    return /** @type {Lab.Named<Tag>} */ (node);
  }

  let labels = 0;

  /** A labelled range input that shows its value; `change(number)` is called while it moves.
   *  @param {string} text
   *  @param {{ min: number, max: number, step?: number, value: number,
   *    show?: (value: number) => string }} range
   *  @param {(value: number) => void} change */
  function slider(text, { min, max, step = 1, value, show = String }, change) {
    const id = `sbp-slider-${labels++}`, out = el("output", { for: id }, show(value));
    const input = el("input", { id, type: "range", min, max, step, value, input() {
      out.textContent = show(Number(input.value));
      change(Number(input.value));
    } });
    /** @param {number} number */
    const set = (number) => {
      input.value = String(number);
      out.textContent = show(number);
    };
    return { node: el("p", { class: "fig-slider" }, el("label", { for: id }, text), input, out), set,
      get value() { return Number(input.value); } };
  }

  /** @param {string} text
   *  @param {(event: MouseEvent) => void} click
   *  @param {Lab.Attributes} [more] */
  const button = (text, click, more) => el("button", { type: "button", click, ...more }, text);

  /** Steps 0 .. length - 1 to go through: buttons, a slider and play.  `show(step)` draws one.
   *  @param {number} length
   *  @param {(step: number) => void} show
   *  @param {{ name?: string, every?: number, title?: (step: number) => string,
   *    once?: boolean }} [how] */
  function player(length, show, { name = "step", every = 700, title = (step) => `${name} ${step}`,
    once = false } = {}) {
    let now = 0, timer = 0;
    const status = el("p", { class: "fig-status", "aria-live": "polite" });
    const where = slider(name, { min: 0, max: length - 1, value: 0 }, (step) => go(step));
    const play = button("Play", () => (timer ? stop() : start()), { class: "fig-play" });

    /** @param {number} step */
    function go(step) {
      now = (step + length) % length;
      where.set(now);
      status.textContent = title(now);
      show(now);
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
    }
    function start() {
      if (once && now === length - 1) go(0);
      play.textContent = "Pause";
      timer = setInterval(() => (once && now === length - 1 ? stop() : go(now + 1)), every);
    }
    const node = el("div", { class: "fig-player" },
      button("Back", () => { stop(); go(now - 1); }, { "aria-label": `${name} back` }), play,
      button("Next", () => { stop(); go(now + 1); }, { "aria-label": `${name} next` }), where.node);
    go(0);
    return { node, status, go: (/** @type {number} */ step) => { stop(); go(step); }, again: () => show(now), play: start,
      get now() { return now; } };
  }

  /** The neurons of a population as squares, `across` in a row; lit(i) says which fire.
   *  @param {HTMLCanvasElement} canvas
   *  @param {number} size
   *  @param {number} across
   *  @param {(i: number) => unknown} lit
   *  @param {Lab.Colours} colours */
  function tiles(canvas, size, across, lit, colours) {
    const ratio = window.devicePixelRatio || 1, down = Math.ceil(size / across);
    const side = canvas.clientWidth / across, width = canvas.clientWidth * ratio;
    canvas.width = width;
    canvas.height = Math.round(down * side * ratio);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(ratio, ratio);
    const gap = side > 5 ? 1 : 0;
    for (let i = 0; i < size; i++) {
      context.fillStyle = lit(i) ? colours.on : colours.off;
      context.fillRect((i % across) * side, Math.floor(i / across) * side, side - gap, side - gap);
    }
  }

  /** The figure's colours as they stand in this theme.
   *  @param {HTMLElement} root
   *  @returns {Lab.Colours} */
  function colours(root) {
    const style = getComputedStyle(root);
    /** @param {string} name */
    const get = (name) => style.getPropertyValue(`--fig-${name}`).trim();
    return { on: get("spike"), off: get("off"), ink: get("ink"), muted: get("muted"),
      gate: get("gate"), shut: get("shut"), plus: get("plus"), minus: get("minus"), line: get("line") };
  }

  /** A question to be answered before the figure plays: the answer is judged by the machine.
   *  @param {string} question
   *  @param {string[]} choices
   *  @param {(k: number) => Lab.Verdict} judge */
  function predict(question, choices, judge) {
    const verdict = el("p", { class: "fig-verdict", "aria-live": "polite" });
    const buttons = choices.map((choice, k) => button(choice, () => {
      const told = judge(k);
      verdict.textContent = told.text;
      verdict.dataset.right = String(told.right);
      buttons.forEach((b, j) => b.setAttribute("aria-pressed", String(j === k)));
    }, { "aria-pressed": "false" }));
    return el("fieldset", { class: "fig-predict" }, el("legend", {}, question), ...buttons, verdict);
  }

  /** Run `samples` whole samples of a program from rest; rows[step][population] = indices.
   *  @param {Lab.Program} program
   *  @param {Lab.Weights} weights
   *  @param {Lab.Sample[]} samples */
  function spikesOf(program, weights, samples) {
    const engine = new window.SBP.Engine(program, weights);
    /** @type {Lab.Rows} */
    const rows = [];
    for (const sample of samples) {
      for (let p = 0; p < program.period; p++) {
        engine.step(sample);
        /** @type {Record<string, number[]>} */
        const row = {};
        for (const sender of engine.senders) row[sender.name] = engine.which(sender.name);
        rows.push(row);
      }
    }
    return { engine, rows };
  }

  /** Build every figure of the page. */
  async function start() {
    const data = await window.SBP.given("SBP_FIGURES");
    /** @type {NodeListOf<HTMLElement>} */
    const roots = document.querySelectorAll(".sbp-figure:not([data-ready])");
    for (const root of roots) {
      const build = kinds[root.dataset.figure ?? ""];
      if (!build) continue;
      root.dataset.ready = "";
      root.replaceChildren();
      await build(root, data);
    }
    linkPhases();
  }

  /** "phase 7" in the text of a page that shows a turn moves the figure to that phase. */
  function linkPhases() {
    const figure = document.querySelector("[data-figure='turn'][data-ready]");
    const article = document.querySelector("article, .bd-article");
    if (!figure || !article) return;
    const walk = document.createTreeWalker(article, NodeFilter.SHOW_TEXT, (node) =>
      (node.parentElement?.closest("p, li, td, figcaption")
        && !node.parentElement.closest("a, code, .sbp-figure, .math, mjx-container")
        && /\bphases? \d+/.test(/** @type {Text} */ (node).data)
        ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP));
    /** @type {Text[]} */
    const found = [];
    while (walk.nextNode()) found.push(/** @type {Text} */ (walk.currentNode));
    for (const node of found) {
      const parts = node.data.split(/(\bphases? \d+)/);
      node.replaceWith(...parts.map((part, k) => (k % 2 === 0 ? part : el("a", {
        href: "#", role: "button", class: "fig-phase", click(event) {
          event.preventDefault();
          figure.dispatchEvent(new CustomEvent("phase", { detail: Number(part.match(/\d+/)?.[0]) }));
          figure.scrollIntoView({ block: "nearest", behavior: still() ? "auto" : "smooth" });
        } }, part))));
    }
  }

  return {
    figures: { kinds, el, slider, button, player, tiles, colours, predict, spikesOf, start },
  };
})();

window.SBP = Object.assign(window.SBP || {}, sbpKit);
