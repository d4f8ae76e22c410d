/* The stage: every neuron of the circuit on a canvas, the ring of gates around them. */
const sbpStage = (function () {
  "use strict";

  const { GATE, along, arrange, track, wire } = window.SBP;
  /** @type {Record<string, string>} */
  const NAMES = { x_mem: "x mem", h_mem: "h mem", h_box: "h box",
    hT: "hᵀ", "d+": "d⁺", "d-": "d⁻", "o-": "o⁻" };
  const LAND = 0.5;  // part of a step that spikes travel; then they arrive and neurons fire

  const BURST = 0.2;  // part of a step in which they stand out

  /** The name of a population as the paper writes it.
   *  @param {string} name */
  const written = (name) => NAMES[name] || name;
  /** @param {string} name */
  const isGate = (name) => /^g\d+$/.test(name);
  /** @param {string} kind */
  const opens = (kind) => kind.startsWith("gate");
  /** @param {number} t */
  const ease = (t) => t * t * (3 - 2 * t);

  class Stage {
    /** `programs`: learning and inference; the boxes are those of the learning circuit.
     *  @param {HTMLCanvasElement} canvas
     *  @param {Record<Lab.Circuit, Lab.Program>} programs */
    constructor(canvas, programs) {
      this.canvas = canvas;
      this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      this.still = document.createElement("canvas");  // all that does not move
      this.programs = programs;
      /** Patterns on their way. @type {{ x?: Uint8Array, t?: Uint8Array }} */
      this.waiting = {};
      this.selected = -1;  // a hidden neuron to point at
      this.version = 0;  // goes up with every change of what is shown

      // The circuit shown, and its last step.
      this.program = programs.inference;
      /** @type {(Lab.Population | Lab.Source)[]} */
      this.senders = [];
      /** @type {string[]} */
      this.gates = [];
      /** How many neurons of each sender spiked in the last steps. @type {number[][]} */
      this.history = [];
      this.phase = -1;
      /** The neurons that fired in the step before. @type {Map<string, number[]>} */
      this.old = new Map();
      /** Those that fire in this step. @type {Map<string, number[]>} */
      this.lit = new Map();
      /** Those of a whole sample. @type {Map<string, number[]>} */
      this.gathered = new Map();
      /** @type {{ from: string, to: string, kind: string }[]} */
      this.travelling = [];
      /** @type {Map<string, "open" | "shut">} */
      this.doors = new Map();
      /** @type {Lab.Learned[]} */
      this.taught = [];

      // The page's form and colours, which may have changed.
      this.stale = true;
      this.width = this.height = 0;
      this.ratio = 1;
      this.font = "";
      /** @type {Record<string, string>} */
      this.colours = {};
      /** @type {Map<string, Lab.Box>} */
      this.boxes = new Map();
      this.track = track(0, 0, 0);
      /** Where the gates stand on the track. @type {number[]} */
      this.places = [];
      /** The populations and sources of the circuit shown. @type {Set<string>} */
      this.here = new Set();
      /** What is on the canvas, if it is held. @type {string | false | null} */
      this.drawn = null;
      this.show("inference");
    }

    /** Change to the circuit called `name`, nothing firing.
     *  @param {Lab.Circuit} name */
    show(name) {
      this.program = this.programs[name];
      this.senders = [...this.program.populations, ...this.program.sources];
      this.gates = this.senders.filter((s) => isGate(s.name)).map((s) => s.name);
      this.history = [];
      this.rest();
      this.stale = true;
    }

    /** Nothing fires, nothing travels. */
    rest() {
      this.phase = -1;
      this.version++;
      this.old = new Map();
      this.lit = new Map();
      this.gathered = new Map();
      this.travelling = [];
      this.doors = new Map();
      this.taught = [];
    }

    /** Whether any neuron of `name` fires in the step shown.
     *  @param {string} name */
    _fires(name) {
      return (this.lit.get(name) ?? []).length > 0;
    }

    /** Take over the step that `engine` has just done.
     *  @param {Lab.Engine} engine */
    advance(engine) {
      const { projections } = this.program;
      this.phase = engine.phase;
      this.version++;
      this.old = this.lit;
      this.lit = new Map(this.senders.map((s) => [s.name, engine.which(s.name)]));
      this.taught = engine.learned();

      // What arrives in this step left its source 1 + delay steps ago.
      this.doors = new Map();
      this.travelling = [];
      for (const p of projections) {
        const then = this.history[this.history.length - 1 - p.delay];
        if (!then || !then[p.source]) continue;
        const [from, to] = [this.senders[p.source].name, this.senders[p.target].name];
        // A gate from neuron to neuron opens single ones: it shows where something fires.
        const opened = opens(p.kind) && (p.connect === 1 || this._fires(to));
        if (opened && this.doors.get(to) !== "shut") this.doors.set(to, "open");
        if (p.kind === "close") this.doors.set(to, "shut");
        this.travelling.push({ from, to, kind: p.kind });
      }
      this.history.push(Array.from(engine.count));
      if (this.history.length > 8) this.history.shift();
    }

    /** Remember the step that `engine` has just done, at a speed no eye can follow.
     *  @param {Lab.Engine} engine */
    gather(engine) {
      if (engine.phase === 0) this.gathered = new Map();
      this.senders.forEach((s, k) => {
        if (engine.count[k]) this.gathered.set(s.name, engine.which(s.name));
      });
    }

    /** Show where spikes were in the sample gathered last. */
    blur() {
      const { gathered } = this;
      this.rest();
      this.lit = gathered;
    }

    /** Colours and fonts of the page, and the size of the canvas. */
    measure() {
      const style = getComputedStyle(this.canvas), width = this.canvas.clientWidth;
      if (!width) return false;
      this.colours = {};
      for (const name of ["ink", "muted", "line", "panel", "off", "spike", "gate", "shut", "plus",
        "minus"]) {
        this.colours[name] = style.getPropertyValue(`--lab-${name}`).trim();
      }
      this.font = style.fontFamily;
      const { boxes, height } = arrange(width, this.programs.learning.populations);
      const ratio = window.devicePixelRatio || 1;
      Object.assign(this, { boxes, height, width, ratio });
      this.canvas.style.height = `${height}px`;
      for (const canvas of [this.canvas, this.still]) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      this.track = track(width, height, GATE + 4);
      this.places = this.track.gates(this.gates.length);
      this._drawStill();
      this.stale = false;
      this.drawn = null;
      return true;
    }

    /** Draw; `progress` 0..1 says how far the step has gone.
     *  @param {number} progress */
    draw(progress) {
      if (this.stale && !this.measure()) return;
      // From here to the end of the step nothing moves.
      const held = progress >= LAND + BURST;
      const state = held && [this.version, this.selected].join();
      if (held && state === this.drawn) return;
      this.drawn = state;
      const c = this.context, { colours } = this;
      c.setTransform(1, 0, 0, 1, 0, 0);
      c.clearRect(0, 0, this.canvas.width, this.canvas.height);
      c.drawImage(this.still, 0, 0);
      c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);

      const landed = progress >= LAND, t = ease(Math.min(progress / LAND, 1));
      if (!landed) this._drawTravelling(t);
      this._drawGates(landed, t);
      const pills = landed ? this._drawTaught() : new Map();
      this._drawWaiting();
      for (const [name, box] of this.boxes) {
        if (!this.here.has(name)) continue;
        const door = this.doors.get(name);
        if (door) {
          c.lineWidth = 2;
          c.strokeStyle = colours[door === "open" ? "gate" : "shut"];
          c.globalAlpha = landed ? 1 : t;
          c.setLineDash(door === "open" ? [] : [4, 4]);
          this._outline(box);
          c.setLineDash([]);
          c.globalAlpha = 1;
        }
        if (!landed) this._fill(name, box, this.old.get(name), 1 - t, 0);
        else this._fill(name, box, this.lit.get(name), 1, Math.max(0, 1 - (progress - LAND) / BURST));
        this._tag(box, landed ? this.lit.get(name) : this.old.get(name));
      }
      this._drawSelected();
      for (const [place, text] of pills.values()) this._pill(place, text);
    }

    /** @param {Lab.Box} box */
    _outline(box) {
      this.context.beginPath();
      this.context.roundRect(box.x - 4, box.y - 4, box.w + 8, box.h + 8, 6);
      this.context.stroke();
    }

    /** Neurons that fire, a little larger at first (`burst` 1 to 0).
     *  @param {string} name
     *  @param {Lab.Box} box
     *  @param {number[] | undefined} neurons
     *  @param {number} alpha
     *  @param {number} burst */
    _fill(name, box, neurons, alpha, burst) {
      if (!neurons || !neurons.length || alpha <= 0) return;
      const c = this.context, { cell, columns } = box, gap = Math.min(1, cell / 6);
      c.globalAlpha = alpha;
      c.fillStyle = this.colours[name === "d+" ? "plus" : name === "d-" ? "minus" : "spike"];
      const grow = burst * Math.min(2, cell / 3), side = cell - gap + grow;
      for (const i of neurons) {
        c.fillRect(box.x + (i % columns) * cell + (gap - grow) / 2,
          box.y + Math.floor(i / columns) * cell + (gap - grow) / 2, side, side);
      }
      c.globalAlpha = 1;
    }

    /** How many fire.
     *  @param {Lab.Box} box
     *  @param {number[] | undefined} neurons */
    _tag(box, neurons) {
      const c = this.context, count = neurons ? neurons.length : 0;
      if (!count || box.row) return;
      c.fillStyle = this.colours.spike;
      c.font = `600 12px ${this.font}`;
      c.textAlign = "right";
      c.textBaseline = "alphabetic";
      c.fillText(String(count), box.x + box.w, box.y - 8);
    }

    /** @param {number} t */
    _drawTravelling(t) {
      const c = this.context;
      for (const { from, to, kind } of this.travelling) {
        const target = this.boxes.get(to);
        if (!target || kind === "ring") continue;
        const gate = isGate(from), source = gate ? this._gateBox(from) : this.boxes.get(from);
        const path = source ? this._path(from, source, target) : this._entry(target);
        const colour = gate ? (kind === "close" ? "shut" : "gate")
          : kind === "veto" ? "shut" : opens(kind) ? "gate" : "spike";
        // A spike at a closed door has no effect.
        const useful = gate || this.doors.get(to) === "open";
        c.strokeStyle = c.fillStyle = this.colours[colour];
        c.lineWidth = 1.5;
        c.globalAlpha = useful ? 0.45 : 0.15;
        c.beginPath();
        c.moveTo(...path[0]);
        c.bezierCurveTo(...path[1], ...path[2], ...path[3]);
        c.stroke();
        for (let k = 0; k < 4; k++) {
          const s = t * 1.12 - 0.04 * k;
          if (s < 0 || s > 1) continue;
          c.globalAlpha = (useful ? 1 : 0.3) * (1 - 0.22 * k);
          c.beginPath();
          c.arc(...along(path, s), 3.4 - 0.6 * k, 0, 2 * Math.PI);
          c.fill();
        }
      }
      c.globalAlpha = 1;
    }

    /** @param {string} from
     *  @param {Lab.Box} source
     *  @param {Lab.Box} target
     *  @returns {Lab.Path} */
    _path(from, source, target) {
      if (!isGate(from)) return wire(source, target);
      const [x, y] = [source.x, source.y];
      /** @type {Lab.Point} */
      const end = [Math.min(Math.max(x, target.x), target.x + target.w),
        Math.min(Math.max(y, target.y), target.y + target.h)];
      return [[x, y], [x + (end[0] - x) / 3, y + (end[1] - y) / 3],
        [x + (2 * (end[0] - x)) / 3, y + (2 * (end[1] - y)) / 3], end];
    }

    /** External spikes come from the left.
     *  @param {Lab.Box} box
     *  @returns {Lab.Path} */
    _entry(box) {
      const y = box.y + box.h / 2, from = box.x - (box.row ? 60 : 34);
      return [[from, y], [from + 10, y], [box.x - 10, y], [box.x, y]];
    }

    /** @param {string} name
     *  @returns {Lab.Box} */
    _gateBox(name) {
      const [x, y] = this.track.at(this.places[this.gates.indexOf(name)]);
      return { x, y, w: 0, h: 0, cell: 0, columns: 1 };
    }

    /** @param {boolean} landed
     *  @param {number} t */
    _drawGates(landed, t) {
      const c = this.context;
      const on = this.gates.findIndex((name) => this._fires(name));
      const was = this.gates.findIndex((name) => (this.old.get(name) ?? []).length > 0);
      if (!landed && was >= 0 && this.phase >= 0) {
        const from = this.places[was], next = this.places[(was + 1) % this.places.length];
        const way = (next - from + 1) % 1;
        c.fillStyle = this.colours.gate;
        for (let k = 0; k < 8; k++) {
          c.globalAlpha = 1 - k / 8;
          c.beginPath();
          c.arc(...this.track.at(from + way * Math.max(t - 0.05 * k, 0)), 5 - 0.45 * k, 0, 7);
          c.fill();
        }
        c.globalAlpha = 1;
      }
      this.gates.forEach((name, k) => {
        const [x, y] = this.track.at(this.places[k]), fires = landed ? k === on : k === was && t < 0.3;
        c.beginPath();
        c.arc(x, y, GATE, 0, 2 * Math.PI);
        c.fillStyle = this.colours[fires ? "gate" : "panel"];
        c.strokeStyle = this.colours[fires ? "gate" : "muted"];
        c.lineWidth = 1.5;
        c.fill();
        c.stroke();
        c.fillStyle = this.colours[fires ? "panel" : "muted"];
        c.font = `600 10px ${this.font}`;
        c.textAlign = "center";
        c.textBaseline = "middle";
        c.fillText(name, x, y + 0.5);
      });
    }

    /** Where synapses have just changed. */
    _drawTaught() {
      const c = this.context;
      /** @type {Map<string, [Lab.Point, string]>} */
      const pills = new Map();
      for (const { projection, dw } of this.taught) {
        const [a, b] = [projection.source, projection.target].map((k) => this.senders[k].name);
        const [from, to] = [this.boxes.get(a), this.boxes.get(b)];
        if (!from || !to) continue;
        const path = wire(from, to);
        c.strokeStyle = c.fillStyle = this.colours[dw > 0 ? "plus" : "minus"];
        c.lineWidth = 3;
        c.beginPath();
        c.moveTo(...path[0]);
        c.bezierCurveTo(...path[1], ...path[2], ...path[3]);
        c.stroke();
        const { name } = this.program.parameters[projection.matrix];
        if (projection.transpose || pills.has(name)) continue;
        pills.set(name, [along(path, 0.5), `${name} ${dw > 0 ? "+" : "−"}${Math.abs(dw)}`]);
      }
      return pills;
    }

    /** @param {Lab.Point} place
     *  @param {string} text */
    _pill([x, y], text) {
      const c = this.context;
      c.font = `700 12px ${this.font}`;
      const w = c.measureText(text).width + 16;
      c.beginPath();
      c.roundRect(x - w / 2, y - 11, w, 22, 11);
      c.fillStyle = this.colours[text.includes("+") ? "plus" : "minus"];
      c.fill();
      c.fillStyle = this.colours.panel;
      c.textAlign = "center";
      c.textBaseline = "middle";
      c.fillText(text, x, y + 0.5);
    }

    _drawWaiting() {
      const c = this.context;
      c.fillStyle = this.colours.spike;
      c.globalAlpha = 0.28;
      for (const [name, pattern] of Object.entries(this.waiting)) {
        const fires = this.program.fires.findIndex((names) =>
          names.some((k) => this.senders[k].name === name));
        if (this.phase >= fires || this.lit.size && this.phase < 0) continue;
        const box = this.boxes.get(name);
        if (!box) continue;
        const { cell, columns } = box, side = cell * 0.7;
        pattern.forEach((on, i) => {
          if (!on) return;
          c.fillRect(box.x + ((i % columns) + 0.15) * cell,
            box.y + (Math.floor(i / columns) + 0.15) * cell, side, side);
        });
      }
      c.globalAlpha = 1;
    }

    _drawSelected() {
      if (this.selected < 0) return;
      const c = this.context;
      c.strokeStyle = this.colours.ink;
      c.lineWidth = 1.5;
      for (const name of ["h<", "h", "h>", "h_mem", "h_box", "hT"]) {
        const box = this.boxes.get(name);
        if (!box || !this.here.has(name)) continue;
        const { x, y, cell, columns } = box;
        c.strokeRect(x + (this.selected % columns) * cell - 1,
          y + Math.floor(this.selected / columns) * cell - 1, cell + 2, cell + 2);
      }
    }

    _drawStill() {
      const c = /** @type {CanvasRenderingContext2D} */ (this.still.getContext("2d"));
      const { colours } = this;
      this.here = new Set(this.senders.map((s) => s.name));
      c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      c.clearRect(0, 0, this.width, this.height);

      c.strokeStyle = colours.line;
      c.lineWidth = 3;
      c.beginPath();
      for (let k = 0; k <= 200; k++) c.lineTo(...this.track.at(k / 200));
      c.stroke();

      c.lineWidth = 1;
      c.globalAlpha = 0.7;
      const drawn = new Set();
      for (const p of this.program.projections) {
        const [a, b] = [this.senders[p.source].name, this.senders[p.target].name];
        const [from, to] = [this.boxes.get(a), this.boxes.get(b)];
        if (!from || !to || drawn.has(a + b)) continue;
        drawn.add(a + b);
        const path = wire(from, to);
        c.beginPath();
        c.moveTo(...path[0]);
        c.bezierCurveTo(...path[1], ...path[2], ...path[3]);
        c.stroke();
      }

      for (const [name, box] of this.boxes) {
        const inside = this.here.has(name), { cell, columns } = box;
        const size = this.programs.learning.populations.find((p) => p.name === name)?.size ?? 0;
        c.globalAlpha = 1;
        c.fillStyle = colours.panel;
        c.beginPath();
        c.roundRect(box.x - 4, box.y - 4, box.w + 8, box.h + 8, 6);
        c.fill();
        c.strokeStyle = colours.line;
        c.stroke();
        c.globalAlpha = inside ? 1 : 0.35;
        c.fillStyle = colours.off;
        const gap = Math.min(1, cell / 6);
        for (let i = 0; i < size; i++) {
          c.fillRect(box.x + (i % columns) * cell + gap / 2,
            box.y + Math.floor(i / columns) * cell + gap / 2, cell - gap, cell - gap);
        }
        c.fillStyle = colours.ink;
        c.font = `600 13px ${this.font}`;
        c.textBaseline = box.row ? "middle" : "alphabetic";
        c.textAlign = box.row ? "right" : "left";
        if (box.row) c.fillText(written(name), box.x - 8, box.y + cell / 2);
        else c.fillText(written(name), box.x, box.y - 8);
        if (box.row && name === "o<") {
          c.font = `11px ${this.font}`;
          c.fillStyle = colours.muted;
          c.textAlign = "center";
          c.textBaseline = "alphabetic";
          for (let k = 0; k < columns; k++) c.fillText(String(k), box.x + (k + 0.5) * cell, box.y - 7);
        }
      }
      c.globalAlpha = 1;
    }
  }

  return { LAND, Stage, written };
})();

window.SBP = Object.assign(window.SBP || {}, sbpStage);
