/* Circuits from lines of text. */
"use strict";

const test = require("node:test");
const assert = require("node:assert/strict");
const { createHash } = require("node:crypto");
const { SBP, generator } = require("./load.js");

const { compile, sha256, WiringError } = SBP.wiring;
const frame = (rest) => ({ name: "own", ring: 4, layers: [3], sizes: { x: 3, s: 3 },
  sources: [{ name: "input", size: 3, phase: 0 }], ...rest });

test("SHA-256 is Node's", () => {
  const random = generator(3);
  for (const length of [0, 1, 54, 55, 56, 63, 64, 65, 1000]) {
    const text = String.fromCodePoint(...Array.from({ length }, () => random(32, 0x3bf)));
    assert.equal(sha256(text), createHash("sha256").update(text).digest("hex"), `${length}`);
  }
});

test("a ring of n gates has one spike, one gate further in each step", () => {
  for (let ring = 1; ring <= 12; ring++) {
    const engine = new SBP.Engine(compile("", frame({ ring })), {});
    for (let step = 0; step < 3 * ring + 1; step++) {
      engine.step({});
      for (let k = 0; k < ring; k++) {
        const fires = (step + 1) % ring === k;  // and opens its populations in phase k
        assert.equal(engine.spikes(`g${k}`), Number(fires), `ring ${ring}, step ${step}, g${k}`);
      }
    }
  }
});

test("a pattern goes from stage to stage, and no further than its gates", () => {
  const lines = "input x copy\nx s copy  # then s\ng1 x gate\n";
  for (const [gate, expected] of [["g2 s gate", [0, 2]], ["g3 s gate", []], ["", []]]) {
    const program = compile(lines + gate, frame());
    const { rows } = SBP.figures.spikesOf(program, {}, [{ input: [1, 0, 1] }]);
    assert.deepEqual(rows[1].x, [0, 2]);
    assert.deepEqual(rows[2].s, expected, gate);
    assert.deepEqual(rows[3].s, []);
  }
});

test("weights become the least exponent with a mantissa of eight bits", () => {
  for (const [weight, mantissa, exponent] of [[255, 255, 0], [-256, -256, 0], [256, 128, 1],
    [300, 150, 1], [9280, 145, 6], [-8128, -254, 5], [32640, 255, 7]]) {
    const [found] = compile(`x s ${weight}`, frame()).projections;
    assert.deepEqual([found.mantissa, found.exponent], [mantissa, exponent], `${weight}`);
    assert.equal(found.mantissa * 2 ** found.exponent, weight);
  }
});

test("what cannot be a circuit is refused, with the line", () => {
  for (const [line, told] of [["x s flies", "needs a source"], ["x y copy", "is called y"],
    ["x s copy 63", "from 0 to 62"], ["x s copy 0.5", "from 0 to 62"], ["x s 257", "weight 257"],
    ["g1 x copy", "1 to 3 neurons"], ["x input copy", "only sends"]]) {
    assert.throws(() => compile(`input x copy\n${line}`, frame()), (error) =>
      error instanceof WiringError && error.message.startsWith("line 2: ")
        && error.message.includes(told), line);
  }
});

test("a digest is of every number", () => {
  const digest = (text, rest) => compile(text, frame(rest)).digest;
  const seen = new Set([digest("x s copy"), digest("x s copy 1"), digest("x s veto"),
    digest("s x copy"), digest("x s copy", { ring: 5 }), digest("x s copy", { name: "else" })]);
  assert.equal(seen.size, 6);
  assert.equal(digest("x s copy"), digest("  x   s  copy   # words\n\n"));
});
