/* The scripts as a page has them, without a page. */
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

globalThis.window = globalThis;

const NAMES = ["lab/packed", "lab/engine", "lab/draw", "lab/layout", "lab/stage", "lab/explain",
  "lab/network", "lab/trace", "lab/reading", "figures/kit", "figures/wiring", "figures/puzzles"];
for (const name of NAMES) {
  const file = path.join(__dirname, "..", "static", `${name}.js`);
  vm.runInThisContext(fs.readFileSync(file, "utf8"), { filename: file });
}

/** Whole numbers from `low` to `high`, the same in every run. */
function generator(seed) {
  let state = seed;
  return (low, high) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + Math.floor((state / 2 ** 32) * (high - low + 1));
  };
}

/** A population of one neuron, or more. */
const population = (name, start, rest) => ({ name, start, size: 1, bias: 0, threshold: 65536,
  refractory: 1, du: 4096, dv: 4096, ...rest });

/** Projection 0 -> 0 with a fixed weight of one, or what `rest` says. */
const projection = (rest) => ({ name: "p", source: 0, target: 0, connect: 1, delay: 0, mantissa: 1,
  exponent: 0, matrix: -1, transpose: 0, negate: 0, plastic: 0, scheduled: [], kind: "copy",
  ...rest });

/** A program with a period of one step, or what `rest` says. */
const program = (rest) => ({ name: "own", digest: "", sizes: [1], period: 1, populations: [],
  sources: [], projections: [], parameters: [], reward: [0], fires: [[]], dw: [-2, 2],
  notes: [""], ...rest });

module.exports = { SBP: globalThis.SBP, generator, population, program, projection };
