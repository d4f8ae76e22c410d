/* The figures: each runs the engine on the integers that the package lowered. */
(function () {
  "use strict";

  const { kinds, el, slider, button, player, tiles, colours, predict, spikesOf } = window.SBP.figures;
  const SCALE = 64;

  /** @param {HTMLCanvasElement} canvas */
  const pen = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @param {number} label */
  const oneHot = (label) => Uint8Array.from({ length: 10 }, (_, i) => (i === label ? 1 : 0));
  /** @param {() => void} draw */
  const redraw = (draw) => new ResizeObserver(() => draw());

  /** A curve of numbers on a canvas, with lines at chosen heights.
   *  @param {HTMLCanvasElement} canvas
   *  @param {number[]} values
   *  @param {[number, string, string][]} lines
   *  @param {number[]} marks
   *  @param {Lab.Colours} ink */
  function curve(canvas, values, lines, marks, ink) {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = 170;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const c = pen(canvas);
    c.scale(ratio, ratio);
    const all = [...values, ...lines.map(([y]) => y)];
    const low = Math.min(...all, 0), high = Math.max(...all, 1), span = high - low || 1;
    /** @param {number} v */
    const y = (v) => 24 + (height - 34) * (1 - (v - low) / span);
    /** @param {number} k */
    const x = (k) => 8 + ((width - 16) * k) / Math.max(values.length - 1, 1);
    c.font = "12px system-ui, sans-serif";
    for (const [level, text, colour] of lines) {
      c.strokeStyle = c.fillStyle = colour;
      c.setLineDash([4, 3]);
      c.beginPath();
      c.moveTo(0, y(level));
      c.lineTo(width, y(level));
      c.stroke();
      c.fillText(text, 4, y(level) - 3);
    }
    c.setLineDash([]);
    c.strokeStyle = ink.ink;
    c.lineWidth = 2;
    c.beginPath();
    values.forEach((v, k) => (k ? c.lineTo(x(k), y(v)) : c.moveTo(x(k), y(v))));
    c.stroke();
    c.fillStyle = ink.on;
    for (const k of marks) c.fillRect(x(k) - 3, 2, 6, 12);
  }

  /** @param {Lab.Program} program
   *  @returns {Lab.Program} */
  const clone = (program) => JSON.parse(JSON.stringify(program));

  // One neuron: sliders for its numbers, and spikes to press.
  kinds.neuron = (root, data) => {
    const STEPS = 60;
    const numbers = { weight: 300, bias: 0, keep: 7 / 8, gate: 0 };
    const input = Array.from({ length: STEPS }, (_, k) => (k % 6 === 2 ? 1 : 0));
    const canvas = el("canvas", { role: "img", class: "fig-curve" });
    const told = el("p", { class: "fig-status", "aria-live": "polite" });
    const dots = el("div", { class: "fig-dots", role: "group", "aria-label": "input spikes, step by step" });

    function run() {
      const program = clone(data.neuron);
      const neuron = program.populations[0];
      neuron.bias = numbers.bias * SCALE;
      neuron.dv = Math.round(4096 * (1 - numbers.keep));
      for (const p of program.projections) [p.mantissa, p.exponent] = [numbers.weight, 0];
      const engine = new window.SBP.Engine(program, {});
      /** @type {number[]} */
      const v = [];
      /** @type {number[]} */
      const fired = [];
      for (let k = 0; k < STEPS; k++) {
        engine.step({ input: Uint8Array.of(input[k]) });
        fired.push(engine.spikes("neuron"));
        v.push(fired[k] ? 1024 : engine.v[0] / SCALE);
      }
      const marks = fired.flatMap((f, k) => (f ? [k] : []));
      const ink = colours(root);
      curve(canvas, v, [[1024, "threshold 1024", ink.gate]], marks, ink);
      const text = `${marks.length} spikes in ${STEPS} steps` +
        (marks.length ? `, the first in step ${marks[0]}` : "; the largest potential is " +
          `${Math.max(...v).toFixed(0)}, not above 1024`);
      canvas.setAttribute("aria-label", `Potential of the neuron: ${text}`);
      told.textContent = `${text}.`;
    }
    function buttons() {
      dots.replaceChildren(...input.slice(0, 30).map((on, k) => button("", () => {
        input[k] = input[k] ? 0 : 1;
        for (let j = 30; j < STEPS; j++) input[j] = input[j - 30];
        buttons();
        run();
        /** @type {HTMLElement} */ (dots.children[k]).focus();
      }, { "aria-pressed": String(Boolean(on)), "aria-label": `input spike in step ${k}` })));
    }
    /** @param {number} n */
    const whole = (n) => n.toLocaleString("en");
    root.append(
      predict("Weight 300, an input spike every 6 steps, 7/8 of the potential kept: does it fire?",
        ["yes", "no"], (k) => ({ right: k === 1, text: k === 1
          ? "Right. It levels off below the threshold. Make the weight larger until it fires."
          : "No: it forgets faster than the spikes come. Make the weight larger until it fires." })),
      canvas, told, dots,
      slider("weight", { min: -600, max: 1200, step: 20, value: 300, show: whole },
        (n) => { numbers.weight = n; run(); }).node,
      slider("bias", { min: -400, max: 1200, step: 20, value: 0, show: whole },
        (n) => { numbers.bias = n; run(); }).node,
      slider("potential kept", { min: 0, max: 16, value: 14, show: (n) => `${n}/16` },
        (n) => { numbers.keep = n / 16; run(); }).node);
    buttons();
    redraw(run).observe(canvas);
  };

  // The gating chain: cut a gate with a click and see where the pattern ends.
  kinds.chain = (root, data) => {
    const program = data.chain, stages = program.populations.filter((p) => /^s\d/.test(p.name));
    const gates = program.populations.filter((p) => /^g\d/.test(p.name));
    /** Synapses of gates, "source target". @type {Set<string>} */
    const cut = new Set();
    const smile = Uint8Array.from("0101001010000001000101110", Number);
    /** @type {Lab.Rows} */
    let rows = [];
    const cells = stages.map(() => el("canvas", { role: "img" }));
    const told = el("p", { class: "fig-status", "aria-live": "polite" });

    function run() {
      const own = clone(program);
      const names = [...own.populations, ...own.sources].map((p) => p.name);
      own.projections = own.projections.filter(
        (p) => !(p.kind === "gate" && cut.has(`${names[p.source]} ${names[p.target]}`)) &&
          !(p.kind === "ring" && cut.has(`${names[p.source]} ${names[p.target]}`)));
      rows = spikesOf(own, {}, [{ input: smile }, {}]).rows;
      const reached = stages.filter((s) => rows.some((row) => row[s.name].length)).length;
      told.textContent = reached === stages.length
        ? "The pattern reaches the last stage, whole."
        : `The pattern reaches ${reached} of ${stages.length} stages and is lost.`;
    }
    /** @param {number} step */
    function draw(step) {
      const ink = colours(root);
      stages.forEach((s, k) => {
        const lit = new Set(rows[step][s.name]);
        tiles(cells[k], 25, 5, (i) => lit.has(i), ink);
        cells[k].setAttribute("aria-label",
          `${s.name}: ${lit.size ? `${lit.size} neurons fire` : "silent"}`);
      });
      gates.forEach((g, k) => ring[k].classList.toggle("fires", rows[step][g.name].length > 0));
    }
    /** @param {string} label
     *  @param {string} key */
    const scissors = (label, key) => {
      const node = button(label, () => {
        if (cut.has(key)) cut.delete(key);
        else cut.add(key);
        node.setAttribute("aria-pressed", String(cut.has(key)));
        run();
        time.again();
      }, { "aria-pressed": "false", class: "fig-cut" });
      return node;
    };
    const ring = gates.map((g) => el("span", { class: "fig-gate" }, g.name));
    run();
    const time = player(2 * program.period, draw, { title: (s) => `step ${s}` });
    root.append(
      predict("If the synapse from g2 to s2 is cut, how many stages does the picture reach?",
        ["0", "1", "2", "all"], (k) => {
          const own = cut.has("g2 s2");
          return { right: k === 1, text: `${k === 1 ? "Right" : "Not so"}: s1 fires, s2 stays ` +
            `shut, and nothing else is told.${own ? "" : " Cut it and look."}` };
        }),
      el("div", { class: "fig-row" }, ...stages.map((s, k) => el("div", { class: "fig-stage" },
        el("b", {}, s.name), cells[k], scissors(`cut g${k + 1} → ${s.name}`, `g${k + 1} ${s.name}`)))),
      el("div", { class: "fig-row fig-ring", "aria-label": "the ring of gates" }, ...ring.flatMap((g, k) => [
        g, scissors(`cut → g${(k + 1) % gates.length}`, `g${k} g${(k + 1) % gates.length}`)])),
      told, time.status, time.node);
    const watch = redraw(() => time.again());
    watch.observe(root);
  };

  // Three neurons with one sum: their thresholds, and the derivative that two of them make.
  kinds.thresholds = (root, data) => {
    const program = data.thresholds;
    const names = ["h", "h<", "h>"];
    /** @type {Record<string, number>} */
    const set = { h: 512, "h<": 0, "h>": 1024 };
    let sum = 300;
    const bars = Object.fromEntries(names.map((n) => [n, el("canvas", { role: "img" })]));
    const derivative = el("canvas", { role: "img" });
    const told = el("p", { class: "fig-status", "aria-live": "polite" });

    /** Which of the three fire when the sum is `a`: the engine's answer.
     *  @param {number} a */
    function fires(a) {
      const own = clone(program);
      for (const p of own.projections) {
        const target = own.populations[p.target].name;
        // A gate lifts a neuron with bias -8192 and threshold 1024 to `set` below its threshold.
        if (p.kind === "gate") [p.mantissa, p.exponent] = [9216 - set[target], 0];
        if (p.kind === "sum") [p.mantissa, p.exponent] = [a, 0];
      }
      const engine = new window.SBP.Engine(own, {});
      engine.step({ input: Uint8Array.of(1) });
      engine.step({});
      return names.map((n) => engine.spikes(n) > 0);
    }
    const LOW = -400, HIGH = 1600, POINTS = 101;
    /** @param {HTMLCanvasElement} canvas
     *  @param {boolean[]} values
     *  @param {string} label */
    function strip(canvas, values, label) {
      const ink = colours(root), ratio = window.devicePixelRatio || 1;
      canvas.width = canvas.clientWidth * ratio;
      canvas.height = 22 * ratio;
      const c = pen(canvas);
      values.forEach((on, k) => {
        c.fillStyle = on ? ink.on : ink.off;
        const x = Math.floor((canvas.width * k) / POINTS);
        c.fillRect(x, 0, Math.ceil(canvas.width / POINTS), canvas.height);
      });
      c.fillStyle = ink.ink;
      c.fillRect((canvas.width * (sum - LOW)) / (HIGH - LOW) - 1, 0, 2 * ratio, canvas.height);
      canvas.setAttribute("aria-label", label);
    }
    function draw() {
      const at = Array.from({ length: POINTS }, (_, k) => fires(LOW + ((HIGH - LOW) * k) / (POINTS - 1)));
      names.forEach((n, k) => strip(bars[n], at.map((f) => f[k]), `${n} fires above ${set[n]}`));
      strip(derivative, at.map((f) => f[1] && !f[2]), "the derivative: h< and not h>");
      const [h, under, over] = fires(sum);
      told.textContent = `W x = ${sum}: h ${h ? "fires" : "is silent"}, h< ${under ? "fires" : "is silent"}, ` +
        `h> ${over ? "fires" : "is silent"}; derivative ${under && !over ? 1 : 0}.`;
    }
    root.append(
      predict("The sum is 700. Which of h, h< and h> fire, with thresholds 512, 0 and 1024?",
        ["all three", "h and h<", "h< only"], (k) => ({ right: k === 1,
          text: k === 1 ? "Right: 700 is above 512 and 0, and not above 1024." :
            "Look where 700 lies: above 512 and 0, not above 1024." })),
      slider("the sum W x", { min: LOW, max: HIGH, step: 20, value: sum },
        (n) => { sum = n; draw(); }).node,
      told,
      ...names.map((n) => el("div", { class: "fig-strip" }, el("b", {}, n), bars[n],
        slider(`threshold of ${n}`, { min: LOW, max: HIGH, step: 4, value: set[n] },
          (v) => { set[n] = v; draw(); }).node)),
      el("div", { class: "fig-strip" }, el("b", {}, "derivative"), derivative));
    redraw(draw).observe(root);
  };

  /** The digits of the page.
   *  @param {Lab.FiguresData} data */
  const digits = (data) => {
    const input = window.SBP.bits(data.digits.inputs, 64);
    return [...data.digits.labels].map(Number).map((label, k) => ({ label,
      sample: { input: input(k), target: oneHot(label) } }));
  };

  // Single-layer learning, one sample at a time.
  kinds.single = (root, data) => {
    const samples = digits(data), { program } = data.single;
    const weights = window.SBP.unpackWeights(data.single.weights);
    let engine = new window.SBP.Engine(program, weights), count = 0;
    /** @type {boolean[]} */
    let exact = [];
    const input = el("canvas", { role: "img" }), told = el("p", { class: "fig-status", "aria-live": "polite" });
    const tiles10 = Array.from({ length: 10 }, () => el("canvas", { role: "img" }));
    const outputs = el("p", { class: "fig-outputs" });

    function weightsOf() {
      const w = engine.weights().W, ink = colours(root), ratio = 3;
      tiles10.forEach((canvas, k) => {
        canvas.width = canvas.height = 8 * ratio;
        const c = pen(canvas);
        for (let i = 0; i < 64; i++) {
          const x = w[k * 64 + i];
          c.globalAlpha = 1;
          c.fillStyle = ink.off;
          c.fillRect((i % 8) * ratio, Math.floor(i / 8) * ratio, ratio, ratio);
          c.globalAlpha = Math.min(1, Math.abs(x) / 256);
          c.fillStyle = x > 0 ? ink.plus : ink.minus;
          c.fillRect((i % 8) * ratio, Math.floor(i / 8) * ratio, ratio, ratio);
        }
        canvas.setAttribute("aria-label", `weights of output ${k}`);
      });
    }
    /** @param {number} n */
    function learn(n) {
      let { label, sample } = samples[0];
      /** @type {number[][]} */
      let [o, plus, minus] = [[], [], []];
      for (let k = 0; k < n; k++) {
        ({ label, sample } = samples[count % samples.length]);
        for (let p = 0; p < program.period; p++) {
          engine.step(sample);
          if (p === 2) o = engine.which("o");
          if (p === 3) [plus, minus] = [engine.which("d+"), engine.which("d-")];
        }
        exact.push(o.length === 1 && o[0] === label);
        count++;
      }
      tiles(input, 64, 8, (i) => sample.input[i], colours(root));
      input.setAttribute("aria-label", `a digit ${label}`);
      /** @param {number[]} which */
      const list = (which) => which.join(", ") || "none";
      outputs.textContent = `target ${label}; o: ${list(o)}; d⁺: ${list(plus)}; d⁻: ${list(minus)}`;
      const recent = exact.slice(-50), share = recent.filter(Boolean).length / recent.length;
      told.textContent = `${count} samples; of the last ${recent.length}, ` +
        `${Math.round(100 * share)} % were exact before they were learned.`;
      weightsOf();
    }
    function restart() {
      [engine, count, exact] = [new window.SBP.Engine(program, weights), 0, []];
      learn(1);
    }
    root.append(
      predict("A sample is answered exactly. How many weights does it change?",
        ["all of its inputs'", "10", "none"], (k) => ({ right: k === 2,
          text: k === 2 ? "Right: neither d⁺ nor d⁻ fires, so nothing meets." :
            "None: neither d⁺ nor d⁻ fires. Step on until it happens, and look at the tiles." })),
      el("div", { class: "fig-row" }, el("div", { class: "fig-stage" }, el("b", {}, "input"), input),
        ...tiles10.map((c, k) => el("div", { class: "fig-tile" }, c, String(k)))),
      outputs, told,
      el("div", { class: "fig-player" }, button("One sample", () => learn(1)),
        button("50 samples", () => learn(50)), button("All again from random", restart)));
    redraw(() => (count ? weightsOf() : restart())).observe(root);
  };

  /** The timetable of a program, rows populations and columns phases; cell(name, p) -> class.
   *  @param {Lab.Program} program
   *  @param {(name: string, phase: number) => string} cell */
  function timetable(program, cell) {
    /** @param {string} name */
    const isGate = (name) => /^g\d+$/.test(name);
    const head = el("tr", {}, el("th", { scope: "col" }, "phase"),
      ...program.notes.map((_, p) => el("th", { scope: "col" }, String(p))));
    const rows = program.populations.filter((p) => !isGate(p.name)).map((p) => el("tr", {},
      el("th", { scope: "row" }, p.name),
      ...program.notes.map((_, phase) => {
        const kind = cell(p.name, phase);
        return el("td", { class: kind }, kind ? "●" : "");
      })));
    return el("table", { class: "fig-timetable" }, el("thead", {}, head), el("tbody", {}, ...rows));
  }

  // One turn of the full circuit: a phase at a time, with the line of the algebra it computes.
  /** @type {[string, number[]][]} */
  const LINES = [
    ["x", [0, 1]], ["h = [W1 x > 512], h< = [W1 x > 0], h> = [W1 x > 1024]", [2]],
    ["o = [W2 h > 512], o<, o> alike", [3]],
    ["d+ = t and not o and o<;  d- = o and not t and not o>", [4]],
    ["W2 += 2 d+ hᵀ", [5]], ["e+ = [W2ᵀ (d+ - d-) > 0] and h< and not h>", [6]],
    ["W1 += 2 e+ xᵀ", [7]], ["(held shut)", [8]], ["W2 -= 2 d- hᵀ", [9]],
    ["e- = [W2ᵀ (d- - d+) > 0] and h< and not h>", [10]], ["W1 -= 2 e- xᵀ", [11]],
  ];
  kinds.turn = (root, data) => {
    const { program } = data.turn, weights = window.SBP.unpackWeights(data.turn.weights), samples = digits(data);
    /** @type {Lab.Rows} */
    let rows = [];
    /** Phase -> synapses that learned. @type {number[]} */
    let learned = [];
    let sample = 0;
    const pops = program.populations.filter((p) => !/^g\d/.test(p.name));
    const cells = pops.map(() => el("canvas", { role: "img" }));
    const boxes = pops.map((p, k) => el("div", { class: "fig-stage" }, el("b", {}, p.name), cells[k]));
    const lines = LINES.map(([text, phases]) => el("li", {}, `${phases[phases.length - 1]}: ${text}`));
    const note = el("p", { class: "fig-status", "aria-live": "polite" });

    function run() {
      const engine = new window.SBP.Engine(program, weights);
      [rows, learned] = [[], []];
      for (let p = 0; p < program.period; p++) {
        engine.step(samples[sample].sample);
        rows.push(Object.fromEntries(engine.senders.map((s) => [s.name, engine.which(s.name)])));
        learned.push(engine.learned().reduce((sum, l) => sum + l.synapses, 0));
      }
    }
    /** @param {number} p */
    function draw(p) {
      const ink = colours(root), scheduled = new Set(program.fires[p]);
      pops.forEach((pop, k) => {
        const lit = new Set(rows[p][pop.name]);
        tiles(cells[k], pop.size, pop.size === 64 ? 8 : pop.size === 10 ? 10 : 8, (i) => lit.has(i), ink);
        boxes[k].classList.toggle("open", scheduled.has(program.populations.indexOf(pop)));
        cells[k].setAttribute("aria-label", `${pop.name}: ${lit.size} of ${pop.size} fire`);
      });
      LINES.forEach(([, phases], k) => lines[k].toggleAttribute("data-now", phases.includes(p)));
      note.textContent = `Phase ${p}. ${program.notes[p]}` +
        (learned[p] ? ` ${learned[p].toLocaleString("en")} synapses change.` : "");
    }
    run();
    const time = player(program.period, draw, { name: "phase", every: 1100 });
    time.status.remove();
    root.addEventListener("phase", (event) => time.go(/** @type {CustomEvent} */ (event).detail));
    root.append(
      predict("x fires three times in a turn. In which phases?", ["1, 5, 9", "1, 7, 11", "0, 4, 8"],
        (k) => ({ right: k === 1, text: k === 1 ? "Right: once to be read, twice to be learned from." :
          "Go through the turn and watch x: 1 is right, the others are not." })),
      el("div", { class: "fig-row fig-populations" }, ...boxes),
      note, time.node, el("ul", { class: "fig-lines" }, ...lines),
      slider("sample", { min: 0, max: samples.length - 1, value: 0,
        show: (k) => `${k}, a ${samples[k].label}` }, (k) => { sample = k; run(); time.again(); }).node);
    redraw(() => time.again()).observe(root);
  };

  // The deep circuit: its timetable grows as the depth changes.
  kinds.deep = (root, data) => {
    const depths = Object.keys(data.deep).map(Number);
    const place = el("div", { class: "fig-scroll", tabindex: 0 });
    const told = el("p", { class: "fig-status", "aria-live": "polite" });
    /** @param {number} layers */
    function draw(layers) {
      const { program, weights, input, target } = data.deep[layers];
      const sample = { input: Uint8Array.from(input), target: Uint8Array.from(target) };
      const { rows } = spikesOf(program, window.SBP.unpackWeights(weights), [sample]);
      const index = new Map(program.populations.map((p, k) => [p.name, k]));
      place.replaceChildren(timetable(program, (name, p) => {
        if (rows[p][name].length) return "fires";
        return program.fires[p].includes(index.get(name) ?? -1) ? "may" : "";
      }));
      told.textContent = `${layers} ${layers === 1 ? "layer" : "layers"} of weights: ` +
        `${program.period} steps a sample (5 × ${layers} + 2), ${program.projections.length} projections.`;
    }
    root.append(
      predict("How many steps does a sample take with three layers of weights?", ["15", "17", "18"],
        (k) => ({ right: k === 1, text: k === 1 ? "Right: five for each layer, and two." :
          "Five for each layer, and two: 17." })),
      slider("layers of weights", { min: depths[0], max: depths[depths.length - 1], value: 2 }, draw).node,
      told, place,
      el("p", { class: "fig-key" }, el("span", { class: "fires" }, "●"), " fires in this sample  ",
        el("span", { class: "may" }, "●"), " may fire"));
    draw(2);
  };

  // A circuit of one's own, from lines of text.
  kinds.wiring = (root, data) => {
    const puzzle = data.puzzles.later, frame = { ...puzzle, name: "mine", layers: [25] };
    const shared = new URLSearchParams(location.hash.slice(1)).get("wiring");
    const text = el("textarea", { rows: 12, spellcheck: "false", "aria-label": "the wiring" });
    text.value = shared || frame.text;
    const told = el("p", { class: "fig-status", "aria-live": "polite" });
    const judged = el("p", { class: "fig-verdict", "aria-live": "polite" });
    const place = el("div", { class: "fig-scroll", tabindex: 0 });
    function run() {
      let program;
      try {
        program = window.SBP.wiring.compile(text.value, frame);
      } catch (error) {
        if (!(error instanceof window.SBP.wiring.WiringError)) throw error;
        told.textContent = error.message;
        told.dataset.right = "false";
        return;
      }
      delete told.dataset.right;
      const sample = { input: Uint8Array.from(puzzle.cases[0].given[0].input) };
      const { rows } = spikesOf(program, {}, [sample, {}]);
      place.replaceChildren(timetable({ ...program, notes: rows.map(() => "") },
        (name, p) => (rows[p][name].length ? "fires" : "")));
      told.textContent = `${program.projections.length} projections, digest ${program.digest.slice(0, 16)}: ` +
        "the one that sbp.lower gives.";
      /** @type {Lab.Verdict} */
      const verdict = text.value === puzzle.text ? { text: "" }
        : window.SBP.puzzles.judge(puzzle, text.value);
      judged.textContent = verdict.text;
      judged.dataset.right = String(verdict.right);
      root.dataset.digest = program.digest;
    }
    root.append(el("p", {}, puzzle.question), text, el("div", { class: "fig-player" },
      button("Run", run), button("Share", () => {
        location.hash = new URLSearchParams({ wiring: text.value }).toString();
        navigator.clipboard?.writeText(location.href).catch(() => {});
        told.textContent = "The address of this page now holds your circuit.";
      }), button("Start again", () => { text.value = frame.text; run(); })), told, judged, place);
    run();
  };

  // The golden traces, replayed here.
  kinds.verify = (root) => {
    const told = el("p", { class: "fig-status", "aria-live": "polite" });
    const table = el("tbody");
    async function run() {
      table.replaceChildren();
      let all = 0, differing = 0;
      for (const trace of await window.SBP.given("SBP_TRACES")) {
        const { program } = trace, engine = new window.SBP.Engine(program, window.SBP.unpackWeights(trace.weights));
        const size = Object.fromEntries(engine.senders.map((s) => [s.name, s.size]));
        /** @param {Record<string, string>} texts
         *  @returns {[string, (k: number) => Uint8Array][]} */
        const rows = (texts) => Object.entries(texts).map(
          ([name, text]) => [name, window.SBP.bits(text, size[name])]);
        const stimulus = rows(trace.stimulus), spikes = rows(trace.spikes);
        let count = 0, wrong = 0;
        for (let step = 0; step < trace.samples * program.period; step++) {
          const k = Math.floor(step / program.period);
          engine.step(Object.fromEntries(stimulus.map(([name, row]) => [name, row(k)])));
          for (const [name, row] of spikes) {
            const lit = new Set(engine.which(name));
            row(step).forEach((spike, i) => {
              count += spike;
              wrong += Number(spike !== (lit.has(i) ? 1 : 0));
            });
          }
        }
        const same = window.SBP.wiring.digest(program) === program.digest;
        [all, differing] = [all + count, differing + wrong + (same ? 0 : 1)];
        table.append(el("tr", {}, el("td", {}, trace.name), el("td", {}, count.toLocaleString("en")),
          el("td", {}, String(wrong)), el("td", {}, el("code", {}, program.digest.slice(0, 12)),
            same ? "" : " (not the digest of these integers)")));
        told.textContent = `${all.toLocaleString("en")} spikes compared, ${differing} differ ...`;
        await new Promise(requestAnimationFrame);
      }
      told.textContent = `${differing} of ${all.toLocaleString("en")} spikes differ.`;
      root.dataset.differing = String(differing);
    }
    root.append(button("Verify this book", run, { class: "fig-play" }), told, el("div", { class: "fig-scroll" },
      el("table", {}, el("thead", {}, el("tr", {}, ...["trace", "spikes", "differing", "program"].map(
        (t) => el("th", { scope: "col" }, t)))), table)));
  };

  // The first minute: a drawn 1 is read as 9, corrected, and read again; every spike computed here.
  kinds.film = async (root) => {
    const { AWKWARD, Network, drawing, given, pattern } = window.SBP;
    const network = new Network((await given("SBP_LAB")).drawn), [label, , lines] = AWKWARD[0];
    const input = pattern(drawing(lines));
    const target = oneHot(label);
    /** Population -> neurons in a row. @type {[string, number][]} */
    const SHOWN = [["x", 20], ["h", 20], ["hT", 20], ["o", 10], ["d+", 10], ["d-", 10]];
    /** @type {{ text: string, lit: Record<string, Set<number>> }[]} */
    const frames = [];
    let changed = 0;

    /** @typedef {(p: number, changed: number, engine: Lab.Engine) => string} Caption */

    /** @param {Lab.Engine} engine
     *  @param {Lab.Sample} sample
     *  @param {Caption} told */
    function take(engine, sample, told) {
      for (let p = 0; p < engine.program.period; p++) {
        engine.step(sample);
        const now = engine.learned().reduce((sum, l) => sum + l.synapses, 0);
        changed += now;
        frames.push({ text: told(p, now, engine),
          lit: Object.fromEntries(SHOWN.map(([name]) => [name, new Set(engine.which(name))])) });
      }
    }
    /** @param {Lab.Engine} engine */
    const answer = (engine) => network.answer(engine).spike;
    /** @type {Caption} */
    const reads = (p, _, engine) => ["Somebody has drawn this.", "The input neurons fire with the drawing.",
      "The hidden layer fires: 400 sums, each above its threshold or not.",
      `The network reads: ${p === 3 ? answer(engine) : ""}.`][p];
    take(network.inference, { input }, reads);
    const wrong = frames[frames.length - 1].text.match(/\d/)?.[0];
    take(network.learning, { input, target }, (p, now) => {
      const many = `${now.toLocaleString("en")} synapses change`;
      return [`It is a ${label}, not a ${wrong}. One turn of the learning circuit begins.`,
        "Forward once more: the input,", "the hidden layer,", "and the output.",
        "d⁺ and d⁻ fire: what was missing, and what was too many.",
        `The error meets the hidden layer: ${many} between h and o.`,
        "It goes back through the copies of the weights, as spikes,",
        `and meets the input again: ${many} between x and h.`, "A closing gate holds the layer shut.",
        `The other sign: ${many}.`, "It goes back as well,",
        `and ${many}. In all ${changed.toLocaleString("en")} of 517,203, by their own two neurons' spikes.`][p];
    });
    take(network.inference, { input }, (p, _, engine) => ["The same drawing again.", "Input,", "hidden layer,",
      `and now it reads ${p === 3 ? answer(engine) : ""}. No computer worked out a gradient. Now draw one yourself.`][p]);

    const cells = SHOWN.map(() => el("canvas", { role: "img" }));
    const boxes = SHOWN.map(([name], k) => el("div", { class: "fig-film" }, cells[k], el("b", {}, name)));
    /** @param {number} step */
    function draw(step) {
      const ink = colours(root);
      SHOWN.forEach(([name, across], k) => {
        const size = across * (across === 20 ? 20 : 1), lit = frames[step].lit[name];
        tiles(cells[k], size, across, (i) => lit.has(i), ink);
        cells[k].setAttribute("aria-label", `${name}: ${lit.size} of ${size} fire`);
      });
    }
    const time = player(frames.length, draw, { name: "scene", every: 1000,
      title: (step) => frames[step].text, once: true });
    root.dataset.changed = String(changed);
    root.dataset.reads = `${wrong} ${frames[frames.length - 1].text.match(/\d/)?.[0]}`;
    root.append(el("div", { class: "fig-row fig-screen" }, ...boxes), time.status, time.node);
    redraw(() => time.again()).observe(root);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
      const seen = new IntersectionObserver(([entry]) => {
        if (!entry.isIntersecting) return;
        seen.disconnect();
        time.play();
      }, { threshold: 0.6 });
      seen.observe(root);
    }
  };
})();
