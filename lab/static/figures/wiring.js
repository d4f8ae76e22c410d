/* A circuit from lines of text, lowered to the integers that sbp.program.lower makes of it.

   g2 h gate              from the gate g2 to every neuron of h
   x  h h< h>  W1         a plastic matrix, the same for three populations
   o  hT  W2^T            ... transposed; -W2^T its negative
   x  x_mem  copy 4       one more delay; "copy 1 5" is two projections
   o< d+ gate one-to-one  neuron to neuron
   a  b  300              every neuron to every neuron, with this weight */
const sbpWiring = (function () {
  "use strict";

  const BIAS = -8192, SCALE = 64;
  /** Kind -> weight, and 0: neuron to neuron, 1: every neuron to every neuron.
   *  @type {Record<string, [number, number]>} */
  const KINDS = {
    ring: [9280, 1], gate: [8704, 1], gate_lt: [512, 1], gate_gt: [8192, 1], close: [-8128, 1],
    copy: [520, 0], veto: [-520, 0],
  };

  class WiringError extends Error {}

  /** A fixed weight as the chip holds it: the least exponent with a mantissa of 8 bits.
   *  @param {number} weight */
  function mantissa(weight) {
    for (let exponent = 0; exponent < 8; exponent++) {
      const m = weight / 2 ** exponent;
      if (Number.isInteger(m) && ((m >= -255 && m <= 255) || m === -256)) return [m, exponent];
    }
    throw new WiringError(`no synapse holds the weight ${weight}`);
  }

  /** SHA-256 of a text, in hexadecimal: pages opened from disk need not have crypto.subtle.
   *  @param {string} text */
  function sha256(text) {
    /** @type {number[]} */
    const primes = [];
    for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
    /** @param {number} x */
    const bits = (x) => ((x - Math.floor(x)) * 2 ** 32) >>> 0;
    const K = primes.map((p) => bits(Math.cbrt(p)));
    const H = primes.slice(0, 8).map((p) => bits(Math.sqrt(p)));
    const data = [...new TextEncoder().encode(text)], length = data.length * 8;
    data.push(0x80);
    while (data.length % 64 !== 56) data.push(0);
    for (let k = 7; k >= 0; k--) data.push(Math.floor(length / 2 ** (8 * k)) & 255);
    /** @param {number} x
     *  @param {number} n */
    const turn = (x, n) => (x >>> n) | (x << (32 - n));
    for (let at = 0; at < data.length; at += 64) {
      /** @type {number[]} */
      const w = [];
      for (let k = 0; k < 64; k++) {
        if (k < 16) {
          const b = at + 4 * k;
          w[k] = (data[b] << 24) | (data[b + 1] << 16) | (data[b + 2] << 8) | data[b + 3];
        } else {
          const a = w[k - 15], b = w[k - 2];
          const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3), s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
          w[k] = (w[k - 16] + s0 + w[k - 7] + s1) | 0;
        }
      }
      let [a, b, c, d, e, f, g, h] = H;
      for (let k = 0; k < 64; k++) {
        const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25), ch = (e & f) ^ (~e & g);
        const t1 = (h + s1 + ch + K[k] + w[k]) | 0;
        const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22), maj = (a & b) ^ (a & c) ^ (b & c);
        [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + s0 + maj) | 0];
      }
      [a, b, c, d, e, f, g, h].forEach((x, k) => { H[k] = (H[k] + x) >>> 0; });
    }
    return H.map((x) => x.toString(16).padStart(8, "0")).join("");
  }

  /** JSON as Python writes it without blanks: everything outside ASCII escaped.
   *  @param {unknown} value */
  const compact = (value) => JSON.stringify(value).replace(
    /[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

  /** The digest of a program, as sbp.program gives it.
   *  @param {Lab.Program} p */
  function digest(p) {
    /** @param {object[]} codes */
    const values = (codes) => codes.map((code) => Object.values(code));
    return sha256(compact([
      p.name, p.sizes, p.period, values(p.populations), values(p.sources),
      p.projections.map(({ kind: _, ...code }) => Object.values(code)),
      p.parameters.map(({ name, n_post, n_pre }) => [name, n_post, n_pre]),
      p.reward, p.fires, p.dw[1], p.dw[0],
    ]));
  }

  /** Compile `text`.

      `frame` gives what the lines do not say: name, ring, sizes {population: neurons}, sources
      [{name, size, phase}], parameters [{name, n_post, n_pre}], phases [{fires, learns, reward}],
      twice: populations that may fire in consecutive steps.
   *  @param {string} text
   *  @param {Lab.Frame} frame
   *  @returns {Lab.Program} */
  function compile(text, frame) {
    const { ring } = frame, gates = Array.from({ length: ring }, (_, k) => `g${k}`);
    const names = [...Object.keys(frame.sizes), ...gates];
    /** @type {Record<string, number>} */
    const size = { ...frame.sizes, ...Object.fromEntries(gates.map((g) => [g, 1])) };
    /** @type {Lab.Population[]} */
    const populations = [];
    let start = 0;
    for (const name of names) {
      const gate = gates.includes(name);
      const refractory = gate || (frame.twice || []).includes(name) ? 1 : 2;
      populations.push({ name, start, size: size[name], bias: gate ? 0 : BIAS * SCALE,
        threshold: 1024 * SCALE, refractory, du: 4096, dv: 4096 });
      start += size[name];
    }
    const sources = [...frame.sources, { name: "kick", size: 1, phase: null }].map((s) => {
      const code = { name: s.name, start, size: s.size, phase: s.phase ?? -1 };
      start += s.size;
      size[s.name] = s.size;
      return code;
    });
    const number = new Map([...populations, ...sources].map((p, k) => [p.name, k]));
    /** @param {string} name */
    const indexOf = (name) => number.get(name) ?? -1;
    /** @type {Lab.Projection[]} */
    const projections = [];
    /** @type {Map<string, number>} */
    const seen = new Map();
    const parameters = frame.parameters || [], phases = frame.phases || [];

    /** @param {string} source
     *  @param {string} target
     *  @param {string} kind
     *  @param {Omit<Lab.Projection, "name" | "source" | "target" | "kind">} rest */
    function add(source, target, kind, rest) {
      const base = `${source}->${target}`, count = (seen.get(base) || 0) + 1;
      seen.set(base, count);
      projections.push({ name: count > 1 ? `${base}#${count}` : base, source: indexOf(source),
        target: indexOf(target), ...rest, kind });
    }

    /** @param {string} source
     *  @param {string} target
     *  @param {string} kind
     *  @param {number} delay
     *  @param {boolean} oneToOne */
    function fixed(source, target, kind, delay, oneToOne) {
      const [weight, pattern] = KINDS[kind] || [Number(kind), 1], [m, exponent] = mantissa(weight);
      const connect = oneToOne ? 0 : pattern;
      if (connect === 0 && size[source] !== size[target]) {
        throw new WiringError(`${source} -> ${target}: ${size[source]} to ${size[target]} neurons, one to one`);
      }
      add(source, target, kind, { connect, delay, mantissa: m, exponent, matrix: -1, transpose: 0,
        negate: 0, plastic: 0, scheduled: [] });
    }

    /** @param {string} source
     *  @param {string} target
     *  @param {string} word */
    function plastic(source, target, word) {
      const [, minus, name, turned] = /^(-?)(\w+?)(\^T)?$/.exec(word) ?? [];
      const matrix = parameters.findIndex((p) => p.name === name);
      const { n_post, n_pre } = parameters[matrix];
      const [post, pre] = turned ? [n_pre, n_post] : [n_post, n_pre];
      if (size[source] !== pre || size[target] !== post) {
        throw new WiringError(`${source} -> ${target}: ${word} goes from ${pre} to ${post} neurons`);
      }
      const scheduled = phases.flatMap((phase, p) => ((phase.learns || []).includes(name) ? [p] : []));
      add(source, target, "plastic", { connect: 1, delay: 0, mantissa: 0, exponent: 0, matrix,
        transpose: turned ? 1 : 0, negate: minus ? 1 : 0, plastic: 1, scheduled });
    }

    text.split("\n").forEach((line, k) => {
      const words = line.replace(/#.*| \/\/.*/, "").trim().split(/\s+/).filter(Boolean);
      if (!words.length) return;
      try {
        /** @param {string} w */
        const isNumber = (w) => /^-?\d+$/.test(w);
        /** @param {string} w */
        const isKind = (w) => w in KINDS || isNumber(w) || parameters.some((p) => w.replace(/^-|\^T$/g, "") === p.name);
        const at = words.findIndex((w, i) => i >= 2 && isKind(w));
        if (at < 0) {
          throw new WiringError(`"${words.join(" ")}" needs a source, a target and a kind: ` +
            `${[...Object.keys(KINDS), ...parameters.map((p) => p.name)].join(", ")}`);
        }
        const [source, ...targets] = words.slice(0, at);
        for (const name of [source, ...targets]) {
          if (!number.has(name)) throw new WiringError(`no population is called ${name}`);
        }
        const oneToOne = words.includes("one-to-one", at);
        const delays = words.slice(at + 1).filter((w) => w !== "one-to-one").map(Number);
        if (delays.some((d) => !Number.isInteger(d) || d < 0 || d > 62)) {
          throw new WiringError(`delays are whole numbers from 0 to 62`);
        }
        for (const target of targets) {
          if (indexOf(target) >= populations.length) throw new WiringError(`${target} only sends`);
          if (words[at] in KINDS || isNumber(words[at])) {
            for (const delay of delays.length ? delays : [0]) {
              fixed(source, target, words[at], delay, oneToOne);
            }
          } else plastic(source, target, words[at]);
        }
      } catch (error) {
        if (error instanceof WiringError) error.message = `line ${k + 1}: ${error.message}`;
        throw error;
      }
    });
    for (let k = 0; k < ring; k++) fixed(`g${k}`, `g${(k + 1) % ring}`, "ring", 0, false);
    fixed("kick", `g${1 % ring}`, "ring", 0, false);

    const fires = gates.map((_, p) => {
      const named = [...((phases[p] || {}).fires || []), `g${(p + 1) % ring}`];
      return named.map(indexOf).sort((a, b) => a - b);
    });
    /** @type {Lab.Program} */
    const program = {
      name: frame.name, digest: "", sizes: frame.layers, period: ring, populations, sources, projections,
      parameters, reward: gates.map((_, p) => ((phases[p] || {}).reward ? 1 : 0)), fires,
      dw: [-2, 2], notes: gates.map((_, p) => (phases[p] || {}).note || ""),
    };
    program.digest = digest(program);
    return program;
  }

  return { wiring: { compile, digest, sha256, WiringError } };
})();

window.SBP = Object.assign(window.SBP || {}, sbpWiring);
