/* The bench: a network on the stage, its weights, the buttons that turn the ring, and words. */
const sbpBench = (function () {
  "use strict";

  const { LAND, Stage, WeightMap, explain, inWords, number, plural } = window.SBP;
  const WATCHABLE = 40;  // phases a second up to which every step is drawn
  const BUDGET = 7;  // milliseconds of a frame for steps that nobody sees one by one
  const SNAPSHOT = 250;  // milliseconds between pictures of such a run: a calm one to look at
  const GLOW = 0.8;  // how strongly changed weights shine
  const SINGLE = 700;  // milliseconds that a single step takes to be drawn

  /** An element: tag.class, attributes (functions are listeners), children.
   *  @template {string} Tag
   *  @param {Tag} tag
   *  @param {Lab.Attributes} [attributes]
   *  @param {(Lab.Child | Lab.Child[])[]} children */
  function el(tag, attributes = {}, ...children) {
    const [name, ...classes] = tag.split(".");
    const node = document.createElement(name);
    if (classes.length) node.className = classes.join(" ");
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") {
        node.addEventListener(key, /** @type {EventListener} */ (value));
      }
      else if (value === true) node.setAttribute(key, "");
      else if (value !== false && value !== undefined) node.setAttribute(key, String(value));
    }
    node.append(...children.flat());
    return /** @type {Lab.Made<Tag>} */ (node);
  }

  /** @param {number} label */
  const oneHot = (label) => Uint8Array.from({ length: 10 }, (_, digit) => Number(digit === label));

  /** Paint a 0/1 pattern into a small canvas, a pixel each.
   *  @param {HTMLCanvasElement} canvas
   *  @param {Uint8Array} bits */
  function stamp(canvas, bits) {
    const side = Math.sqrt(bits.length);
    const c = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    canvas.width = canvas.height = side;
    c.fillStyle = getComputedStyle(canvas).getPropertyValue("--lab-spike").trim();
    bits.forEach((on, i) => on && c.fillRect(i % side, Math.floor(i / side), 1, 1));
  }

  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  class Bench {
    /** `next()` gives {kind, sample, label} for the next turn, or null; `done(turn)` ends one.

        `speeds` is [slowest, fastest, first], in phases a second; `more` stands below the words.
     *  @param {Lab.Network} network
     *  @param {{ next: () => Lab.Turn | null, done: (turn: Lab.Done) => void,
     *    speeds: [number, number, number], buttons?: HTMLElement[], more?: HTMLElement[] }} how */
    constructor(network, { next, done, speeds, buttons = [], more = [] }) {
      this.network = network;
      this.next = next;
      this.done = done;
      this.speeds = speeds;
      /** @type {Lab.Running | null} */
      this.turn = null;
      this.playing = false;
      this.progress = 1;  // of the step, 0 to 1
      this.speed = speeds[2];
      this.clock = 0;
      this.frame = 0;
      this.shot = -SNAPSHOT;
      /** When the last frame was drawn, while something moves. @type {number | undefined} */
      this.last = undefined;
      /** Something else to do in a frame until the deadline; whether it goes on.
       *  @type {((deadline: number) => boolean) | undefined} */
      this.busy = undefined;
      /** Called with each picture of a run too fast to follow. @type {(() => void) | undefined} */
      this.snapshot = undefined;
      /** What is said when playing ends. @type {(() => string) | undefined} */
      this.summary = undefined;

      this.picture = el("canvas.lab-stage", { role: "img" });
      this.chip = el("span.lab-chip");
      this.note = el("strong");
      this.detail = el("p.lab-detail");
      this.speech = el("div.lab-explain", { "aria-live": "polite" },
        el("p.lab-note", {}, this.chip, this.note), this.detail);
      this.playButton = el("button.lab-main", { type: "button", click: () => this.toggle() });
      this.stepButton = el("button", { type: "button", click: () => this.step() }, "One step");
      this.slider = el("input", { type: "range", min: 0, max: 100, step: 1,
        input: () => this._slid() });
      this.speedText = el("output.lab-speed");
      this.words = el("ul");
      this.spoken = el("p.lab-spoken", { role: "status" });
      this.stage = new Stage(this.picture, network.programs);

      const { parameters } = network.programs.learning;
      const [{ n_pre: inputs, n_post: hidden }, { n_post: outputs }] = parameters;
      this.w1 = new WeightMap(
        el("canvas.lab-w1", { tabindex: 0, role: "img", keydown: (event) => this._keySelect(event),
          pointermove: (event) => this.select(this.w1.tileAt(event)),
          pointerdown: (event) => this.select(this.w1.tileAt(event)) }),
        { tiles: hidden, pixels: inputs, across: Math.ceil(Math.sqrt(hidden)),
          at: (tile, pixel) => pixel * hidden + tile });
      this.w2 = new WeightMap(el("canvas.lab-w2", { role: "img" }),
        { tiles: outputs, pixels: hidden, across: 5, at: (tile, pixel) => pixel * outputs + tile });
      this.lens = el("canvas.lab-lens", { hidden: true });
      this.chosen = el("p", { "aria-live": "polite" },
        "Point at a tile of W1, or reach it with the keyboard, to follow one hidden neuron.");
      this.totals = el("p.lab-totals");
      this.maps = this._weights(inputs, hidden, outputs);
      this.root = this._circuit(buttons, more);
      this.setSpeed(speeds[2]);
      this.idle();
    }

    /** @param {HTMLElement[]} buttons
     *  @param {HTMLElement[]} more */
    _circuit(buttons, more) {
      /** @param {string} colour
       *  @param {string} text */
      const key = (colour, text) => el("span", {}, el(`i.lab-key.lab-key-${colour}`), text);
      return el("section.lab-bench", { "aria-label": "The circuit" },
        el("div.lab-transport", {}, this.playButton, this.stepButton, ...buttons,
          el("label", {}, el("span", {}, "Speed"), this.slider, this.speedText)),
        this.picture, this.speech,
        el("p.lab-legend", {}, key("spike", "spike"), key("gate", "gate open"),
          key("shut", "held shut"), key("plus", "d⁺, weight up"), key("minus", "d⁻, weight down")),
        ...more,
        el("details.lab-words", {}, el("summary", {}, "The picture in words"), this.words),
        this.spoken, this.maps);
    }

    /** @param {number} inputs
     *  @param {number} hidden
     *  @param {number} outputs */
    _weights(inputs, hidden, outputs) {
      this.w1.canvas.setAttribute("aria-label",
        `W1: ${number(inputs * hidden)} weights, a tile for each of ${hidden} hidden neurons. ` +
        "Arrow keys choose a neuron.");
      this.w2.canvas.setAttribute("aria-label",
        `W2: ${number(hidden * outputs)} weights, a tile for each of ${outputs} outputs.`);
      this.lens = el("canvas.lab-lens", { hidden: true });
      this.chosen = el("p", { "aria-live": "polite" },
        "Point at a tile of W1, or reach it with the keyboard, to follow one hidden neuron.");
      this.totals = el("p.lab-totals");
      return el("div.lab-maps", {},
        el("figure", {}, this.w1.canvas, el("figcaption", {},
          el("b", {}, "W1"), ` every one of its ${number(inputs * hidden)} weights. A tile is ` +
          "what one hidden neuron looks for; it lies where the neuron lies in h.")),
        el("figure", {}, this.w2.canvas, el("figcaption", {},
          el("b", {}, "W2"), ` ${number(hidden * outputs)} weights. A tile is what one output, ` +
          "0 to 9, makes of the hidden neurons."),
          el("div.lab-chosen", {}, this.lens, this.chosen), this.totals));
    }

    /** Take over the colours and the width of the page. */
    restyle() {
      this.stage.stale = true;
      this.w1.recolour();
      this.w2.recolour();
      this.repaint();
    }

    /** Draw all weights anew. */
    repaint() {
      this.w1.paint(this.network.rows("x->h"));
      this.w2.paint(this.network.rows("h->o"));
      this.wake();
    }

    /** Follow hidden neuron `j`.
     *  @param {number} j */
    select(j) {
      this.stage.selected = this.w1.selected = j;
      const n = this.w2.tiles;
      const out = Array.from(this.network.rows("h->o").subarray(j * n, j * n + n));
      /** @param {number} weight */
      const signed = (weight) => (weight < 0 ? `−${-weight}` : `+${weight}`);
      const [best, worst] = [Math.max(...out), Math.min(...out)];
      this.chosen.textContent = `Hidden neuron ${j}: speaks most for ${out.indexOf(best)} ` +
        `(W2 ${signed(best)}), most against ${out.indexOf(worst)} (${signed(worst)}).`;
      this.lens.hidden = false;
      this.wake();
    }

    /** @param {KeyboardEvent} event */
    _keySelect(event) {
      const { across, tiles } = this.w1;
      /** @type {Record<string, number | undefined>} */
      const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      this.select(Math.min(Math.max(Math.max(this.w1.selected, 0) + move, 0), tiles - 1));
    }

    /** @param {number} speed */
    setSpeed(speed) {
      const [low, high] = this.speeds;
      const part = Math.log(speed / low) / Math.log(high / low);
      this.slider.value = String(Math.round(100 * part));
      this._slid();
    }

    _slid() {
      const [low, high] = this.speeds;
      this.speed = low * (high / low) ** (Number(this.slider.value) / 100);
      const digits = this.speed / this.network.programs.learning.period;
      const text = this.speed < WATCHABLE
        ? `${this.speed.toFixed(this.speed < 10 ? 1 : 0)} phases/s`
        : `${number(Number(digits.toPrecision(2)))} digits/s`;
      this.speedText.textContent = text;
      this.slider.setAttribute("aria-valuetext", text);
      this.slider.setAttribute("aria-label", "Speed");
    }

    play() {
      if (!this.turn && !this._begin()) return;
      this.playing = true;
      this.last = undefined;
      this.clock = 0;
      this._showPlaying();
      this.advance();
      this.wake();
    }

    pause() {
      this.playing = false;
      this._showPlaying();
      if (this.summary) this.spoken.textContent = this.summary();
    }

    toggle() {
      if (this.playing) this.pause();
      else this.play();
    }

    step() {
      this.pause();
      if (!this.turn && !this._begin()) return;
      this.advance();
      this.wake();
    }

    /** Bring the stage onto the screen, if it is not there, as soon as the page is laid out. */
    come() {
      const behavior = calm.matches ? "auto" : "smooth";
      const come = () => requestAnimationFrame(() => requestAnimationFrame(() =>
        this.picture.scrollIntoView({ block: "nearest", behavior })));
      if (document.readyState === "complete") come();
      else window.addEventListener("load", come, { once: true });
    }

    /** Let the turn under way run out, unseen: a ring cannot be stopped half way. */
    finish() {
      while (this.turn) this._step();
    }

    _showPlaying() {
      this.playButton.textContent = this.playing ? "❚❚ Pause" : "▶ Play";
      this.root.classList.toggle("lab-playing", this.playing);
      // A screen reader follows single steps; while playing it is told the outcome alone.
      this.speech.setAttribute("aria-live", this.playing ? "off" : "polite");
    }

    /** The next turn, from its first step, if there is one. */
    _begin() {
      const turn = this.next();
      if (!turn) return null;
      const engine = this.network[turn.kind], before = this._sum(engine);
      this.turn = { ...turn, engine, before };
      this.stage.waiting = { x: turn.sample.input };
      if (turn.sample.target) this.stage.waiting.t = turn.sample.target;
      if (this.stage.program !== this.network.programs[turn.kind]) this.stage.show(turn.kind);
      return this.turn;
    }

    /** @param {Lab.Engine} engine */
    _sum(engine) {
      const { spikes, synaptic_operations, synaptic_updates } = engine.counters;
      return [spikes, synaptic_operations, synaptic_updates].map(
        (counts) => counts.reduce((a, b) => a + b, 0));
    }

    /** One step of the engine; true at the end of a turn. */
    _step() {
      const { turn } = this;
      if (!turn) return true;
      const { engine, sample } = turn;
      if (engine.step(sample) < engine.program.period - 1) return false;
      const now = this._sum(engine);
      const [spikes, operations, updates] = now.map((n, i) => n - turn.before[i]);
      this.totals.textContent = `Last turn: ${plural(spikes, "spike")}, ` +
        `${plural(operations, "synaptic operation")}, ${plural(updates, "synaptic update")}.`;
      this.turn = null;
      this.done({ ...turn, updates });
      return true;
    }

    /** One step, shown. */
    advance() {
      if (!this.turn) return;
      const { engine, label } = this.turn;
      this._step();
      this.stage.advance(engine);
      this.progress = calm.matches ? 1 : 0;
      this._tell(engine, label);
      this._teach(engine);
    }

    /** @param {Lab.Engine} engine */
    _teach(engine) {
      this.w1.changed = this.w2.changed = false;
      for (const { projection, dw } of engine.learned()) {
        const { name, source, target } = projection;
        const map = name === "x->h" ? this.w1 : name === "h->o" ? this.w2 : null;
        if (!map) continue;
        map.touch(engine.which(engine.senders[target].name),
          engine.which(engine.senders[source].name), Math.sign(dw), this.network.rows(name));
      }
    }

    /** @param {Lab.Engine} engine
     *  @param {number} [label] */
    _tell(engine, label) {
      const { phase, program } = engine;
      this.chip.textContent = `p = ${phase}`;
      this.note.textContent = program.notes[phase];
      this.detail.textContent = explain(engine, label);
      const firing = inWords(engine);
      this.words.replaceChildren(...firing.map((text) => el("li", {}, text)));
      this.picture.setAttribute("aria-label",
        `The ${program.name} circuit in phase ${phase}. Firing: ${firing.join("; ")}.`);
    }

    /** Nothing has begun: say what would.
     *  @param {string} [text]
     *  @param {string} [detail] */
    idle(text = "", detail = "") {
      this.stage.rest();
      this.progress = 1;
      this.w1.changed = this.w2.changed = false;
      this.chip.textContent = "ready";
      this.note.textContent = text;
      this.detail.textContent = detail;
      this.words.replaceChildren(el("li", {}, "nothing fires"));
      this.picture.setAttribute("aria-label", "The circuit at rest; nothing fires.");
      this._showPlaying();
      this.wake();
    }

    /** Draw until nothing moves. */
    wake() {
      if (!this.frame) this.frame = requestAnimationFrame((time) => this._tick(time));
    }

    /** @param {number} time */
    _tick(time) {
      this.frame = 0;
      if (!this.picture.isConnected || !this.picture.clientWidth) return;
      const passed = this.last === undefined ? 0 : Math.min(time - this.last, 100);
      this.last = time;
      if (!this.playing) this.progress = Math.min(this.progress + passed / SINGLE, 1);
      else if (this.speed <= WATCHABLE) this._walk(passed);
      else this._run(passed, time);

      this.stage.draw(this.progress);
      const glow = this.progress < LAND ? 0 : GLOW;
      this.w1.draw(glow);
      this.w2.draw(glow);
      if (!this.lens.hidden) this.w1.magnify(this.lens);
      if (this.playing || this.progress < 1) this.wake();
      else this.last = undefined;
    }

    /** Play so slowly that each step is drawn.
     *  @param {number} passed */
    _walk(passed) {
      this.clock += passed;
      const interval = 1000 / this.speed;
      if (this.clock >= interval) {
        this.clock %= interval;
        if (this.turn || this._begin()) this.advance();
        else this.pause();
      }
      this.progress = calm.matches || !this.playing ? 1 : this.clock / interval;
    }

    /** Play so fast that a frame sees whole turns, as many as it has time for.
     *  @param {number} passed
     *  @param {number} time */
    _run(passed, time) {
      const deadline = performance.now() + BUDGET;
      this.clock = Math.min(this.clock + passed, 200);
      /** @type {Lab.Engine | null} */
      let engine = null;
      while (this.playing && performance.now() < deadline) {
        if (this.busy && this.busy(deadline)) break;
        const turn = this.turn ?? this._begin();
        if (!turn) {
          this.pause();
          break;
        }
        const lasts = (turn.engine.program.period * 1000) / this.speed;
        if (this.clock < lasts) break;
        this.clock -= lasts;
        engine = turn.engine;
        for (let ended = false; !ended; this.stage.gather(engine)) ended = this._step();
      }
      if (!engine) return;
      this.progress = 1;
      this.w1.changed = this.w2.changed = false;
      this.repaint();
      if (time < this.shot + SNAPSHOT) return;
      this.shot = time;
      this.stage.blur();
      if (this.snapshot) this.snapshot();
      this.chip.textContent = "fast";
      this.note.textContent = "Too fast to follow: the picture shows where spikes were.";
      this.detail.textContent = "Slow down to see every step.";
    }
  }

  return { Bench, WATCHABLE, calm, el, oneHot, stamp };
})();

window.SBP = Object.assign(window.SBP || {}, sbpBench);
