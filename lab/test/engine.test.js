/* The engine against rules written out a second time, in whole numbers of any size. */
"use strict";

const test = require("node:test");
const assert = require("node:assert/strict");
const { SBP, generator, population, program, projection } = require("./load.js");

/** 24 bits, two's complement. */
const register = (x) => BigInt.asIntN(24, x);

/** x (4096 - rate) / 4096, towards zero. */
const decayed = (x, rate) => (x * (4096n - BigInt(rate))) / 4096n;

/** One neuron, step by step: [{u, v, spike}] for the inputs that reach it. */
function neuron({ bias, threshold, refractory, du, dv }, arriving) {
  let [u, v, dead] = [0n, 0n, 0];
  return arriving.map((input) => {
    u = register(decayed(u, du) + input);
    if (dead) {
      dead--;
      v = 0n;
      return { u, v, spike: false };
    }
    v = register(decayed(v, dv) + u + BigInt(bias));
    const spike = v > BigInt(threshold);
    if (spike) [v, dead] = [0n, refractory - 1];
    return { u, v, spike };
  });
}

test("one neuron follows its rules, also where the registers wrap", () => {
  const random = generator(1);
  let [spikes, wraps] = [0, 0];
  for (let trial = 0; trial < 200; trial++) {
    const wild = trial % 2;
    const one = population("n", 0, {
      bias: random(-40000, wild ? 8000000 : 40000), threshold: random(0, wild ? 8388607 : 200000),
      refractory: random(1, 4), du: random(0, 4096), dv: random(0, 4096) });
    const [mantissa, exponent, delay] = [random(-256, 254), random(0, wild ? 7 : 3), random(0, 5)];
    const engine = new SBP.Engine(program({ populations: [one],
      sources: [{ name: "input", start: 1, size: 1, phase: 0 }],
      projections: [projection({ source: 1, connect: 0, mantissa, exponent, delay })] }), {});
    const given = Array.from({ length: 60 }, () => random(0, 1));
    const arriving = given.map((_, step) =>
      BigInt((given[step - 1 - delay] ?? 0) * mantissa * 2 ** (6 + exponent)));
    neuron(one, arriving).forEach(({ u, v, spike }, step) => {
      engine.step({ input: [given[step]] });
      assert.deepEqual([engine.u[0], engine.v[0], engine.which("n")],
        [Number(u), Number(v), spike ? [0] : []], `trial ${trial}, step ${step}`);
      spikes += Number(spike);
    });
    wraps += engine.counters.wraps.reduce((a, b) => a + b);
  }
  assert.ok(spikes > 500 && wraps > 100, `${spikes} spikes, ${wraps} wraps`);
});

test("a potential beyond 2**23 - 1 comes out at the other end, and is counted", () => {
  for (const [bias, v, wraps] of [[8388607, 8388607, 0], [8388608, -8388608, 1]]) {
    const one = population("n", 0, { bias, threshold: 8388607 });
    const engine = new SBP.Engine(program({ populations: [one] }), {});
    engine.step();
    assert.deepEqual([engine.v[0], engine.counters.wraps[0]], [v, wraps]);
  }
});

test("synapses learn where both neurons spike, by 2, within -256 to 254", () => {
  for (const [reward, expected] of [[1, [252, 254, 254, 254]], [0, [248, 246, 244, 242]]]) {
    // a0 and b1 fire in every step; a1 and b0 never.
    const [fires, not] = [{ bias: 1, threshold: 0 }, { bias: 0, threshold: 0 }];
    const rests = { du: 4096, dv: 4096, refractory: 1 };
    const engine = new SBP.Engine(program({ reward: [reward],
      populations: [population("a", 0, { ...fires, ...rests }), population("b", 1, { ...not, size: 2 }),
        population("c", 3, { ...fires, ...rests })],
      parameters: [{ name: "V", n_post: 1, n_pre: 1 }, { name: "W", n_post: 2, n_pre: 1 }],
      projections: [projection({ source: 0, target: 2, matrix: 0, plastic: 1 }),
        projection({ source: 0, target: 1, matrix: 1, plastic: 1, exponent: 0 })] }),
    { V: Int16Array.of(250), W: Int16Array.of(-20, -40) });
    for (const weight of expected) {
      engine.step();
      assert.equal(engine.weights().V[0], weight);
      assert.deepEqual([...engine.weights().W], [-20, -40]);  // b never fires
    }
    assert.equal(engine.learned().length, 1);
  }
  const low = new SBP.Engine(program({ populations: [population("a", 0, { bias: 1, threshold: 0 })],
    parameters: [{ name: "V", n_post: 1, n_pre: 1 }],
    projections: [projection({ matrix: 0, plastic: 1 })] }), { V: Int16Array.of(-254) });
  for (let k = 0; k < 3; k++) low.step();
  assert.equal(low.weights().V[0], -256);
});

test("a copy that is transposed and negative multiplies by that matrix", () => {
  const random = generator(2), [post, pre] = [3, 4];
  const w = Int16Array.from({ length: post * pre }, () => 2 * random(-128, 127));
  const engine = new SBP.Engine(program({
    populations: [population("back", 0, { size: pre, threshold: 8388607 })],
    sources: [{ name: "o", start: pre, size: post, phase: 0 }],
    parameters: [{ name: "W", n_post: post, n_pre: pre }],
    projections: [projection({ source: 1, matrix: 0, transpose: 1, negate: 1 })] }), { W: w });
  engine.step({ o: [1, 0, 1] });
  engine.step({});
  const sums = Array.from({ length: pre }, (_, i) =>
    // -(-256) is not a weight: copies are held to 254.
    [0, 2].reduce((sum, j) => sum + Math.min(-w[j * pre + i], 254), 0));
  assert.deepEqual([...engine.u], sums.map((sum) => 64 * sum));
});
