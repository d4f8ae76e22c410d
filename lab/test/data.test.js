/* What is packed, what is in links, what is saved, and what is said. */
"use strict";

const test = require("node:test");
const assert = require("node:assert/strict");
const { deflateSync } = require("node:zlib");
const { SBP, generator } = require("./load.js");

const FIGURES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" +
  "!#$%&()*+-;<=>?@^_`{|}~";

/** Base 85, by long division. */
function base85(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4) {
    const four = [0, 1, 2, 3].map((k) => bytes[i + k] ?? 0);
    let number = four.reduce((sum, byte) => 256n * sum + BigInt(byte), 0n), figures = "";
    for (let k = 0; k < 5; k++, number /= 85n) figures = FIGURES[Number(number % 85n)] + figures;
    text += figures.slice(0, Math.min(bytes.length - i, 4) + 1);
  }
  return text;
}

test("base 85 gives the bytes back", () => {
  const random = generator(4);
  for (let length = 0; length < 40; length++) {
    const bytes = Uint8Array.from({ length }, () => random(0, 255));
    assert.deepEqual(SBP.bytes85(base85(bytes)), bytes);
  }
  assert.deepEqual([...SBP.bytes85("~~~~~".replace("~", "|"))].length, 4);
  assert.deepEqual([...SBP.bytes85("|NsC0")], [255, 255, 255, 255]);
});

test("data come out as they were packed; damaged ones are refused", async () => {
  const random = generator(5);
  const value = { text: "d⁺", numbers: Array.from({ length: 500 }, () => random(-9, 9)) };
  const packed = base85(deflateSync(JSON.stringify(value)));
  assert.deepEqual(await SBP.unpack(packed), value);
  const middle = packed.length >> 1, other = packed[middle] === "0" ? "1" : "0";
  await assert.rejects(SBP.unpack(packed.slice(0, middle) + other + packed.slice(middle + 1)));
  await assert.rejects(SBP.unpack(packed.slice(0, middle)));
  globalThis.SBP_LAB = packed;
  assert.equal(await SBP.given("SBP_LAB"), await SBP.given("SBP_LAB"));
});

test("bits and weights", () => {
  const random = generator(6);
  for (const size of [1, 7, 8, 9, 25, 400]) {
    const rows = Array.from({ length: 3 }, () => Array.from({ length: size }, () => random(0, 1)));
    const bytes = rows.flatMap((row) => Array.from({ length: Math.ceil(size / 8) }, (_, k) =>
      parseInt(row.slice(8 * k, 8 * k + 8).join("").padEnd(8, "0"), 2)));
    const row = SBP.bits(Buffer.from(bytes).toString("base64"), size);
    rows.forEach((given, k) => assert.deepEqual([...row(k)], given));
  }
  const weights = Int16Array.of(-256, -2, 0, 2, 254);
  const halves = Buffer.from(Int8Array.from(weights, (w) => w / 2).buffer).toString("base64");
  assert.deepEqual(SBP.unpackWeights({ W: halves }), { W: weights });
});

test("a link holds a drawing, to the last point", () => {
  const random = generator(7);
  for (let trial = 0; trial < 100; trial++) {
    const strokes = Array.from({ length: random(1, 5) }, () =>
      Array.from({ length: random(1, 30) }, () => [random(0, 99), random(0, 99)]));
    const word = SBP.encode(strokes);
    assert.match(word, /^[0-9-]+$/);
    assert.deepEqual(SBP.decode(word), strokes);
  }
  for (const [digit, text] of Object.entries(SBP.DIGITS)) {
    assert.equal(SBP.encode(SBP.drawing(text)), digit);
    assert.deepEqual(SBP.decode(digit), SBP.drawing(text));
  }
});

test("a garbled link is refused", () => {
  for (const word of ["", "10", "x", "123", "12345", "-1234", "1234-", "1234--5678", "12 4",
    "12a4", "1234\n", "１２３４", "1234".repeat(2001)]) {
    assert.equal(SBP.decode(word), null, JSON.stringify(word.slice(0, 20)));
  }
  assert.equal(SBP.decode("1234".repeat(2000))?.[0].length, 2000);
});

test("a drawing spikes in MNIST's form, wherever and however large it is drawn", () => {
  const shown = (strokes) => SBP.pattern(strokes);
  assert.equal(shown([]).reduce((a, b) => a + b), 0);
  for (const text of Object.values(SBP.DIGITS)) {
    const [whole, small] = [SBP.drawing(text), SBP.drawing(text).map((stroke) =>
      stroke.map(([x, y]) => [10 + Math.round(x / 2), 5 + Math.round(y / 2)]))].map(shown);
    const on = whole.reduce((a, b) => a + b);
    assert.ok(on > 30 && on < 160, `${on} pixels`);
    const differing = whole.reduce((sum, bit, i) => sum + Math.abs(bit - small[i]), 0);
    assert.ok(differing < 0.4 * on, `${differing} of ${on}`);
  }
});

test("a trace and its table hold the same spikes, each once", () => {
  const program = SBP.wiring.compile("input x copy\nx s copy\ng1 x gate\ng2 s gate", {
    name: "own", ring: 4, layers: [3], sizes: { x: 3, s: 3 },
    sources: [{ name: "input", size: 3, phase: 0 }] });
  const samples = [{ input: [1, 0, 1] }, { input: [0, 1, 0] }];
  const trace = SBP.plainTrace(program, {}, samples, { engine: "test" }).split("\n");
  assert.deepEqual([trace[0], ...trace.slice(-2)], ["sbp-trace 1", "end", ""]);
  assert.ok(trace.includes(`program ${program.digest}`) && trace.includes("samples 2 steps 8"));
  const senders = [...program.populations, ...program.sources];
  const fromTrace = trace.filter((line) => line.startsWith("step ")).flatMap((line) => {
    const [, step, count, numbers] = /^step (\d+) spikes (\d+):(.*)$/.exec(line);
    const neurons = numbers.split(" ").filter(Boolean).map(Number);
    assert.equal(neurons.length, Number(count));
    return neurons.map((n) => {
      const sender = senders.find((s) => n >= s.start && n < s.start + s.size);
      return [step, step >> 2, step % 4, sender.name, n - sender.start].join();
    });
  });
  const [head, ...rows] = SBP.spikesCsv(program, {}, samples).trim().split("\n");
  assert.equal(head, "step,sample,phase,population,neuron");
  assert.deepEqual(rows, fromTrace);
  for (const spike of ["1,0,1,x,0", "1,0,1,x,2", "2,0,2,s,2", "5,1,1,x,1", "6,1,2,s,1"]) {
    assert.ok(rows.includes(spike), spike);
  }
});

test("answers in words, and what counts as exact", () => {
  const answer = (...spikes) => ({ spikes, sums: [], spike: spikes[0] ?? 0, membrane: 3 });
  assert.equal(SBP.Reading.sentence(answer(8)), "It reads an 8.");
  assert.equal(SBP.Reading.sentence(answer()), "No output fires; the strongest is 3.");
  assert.equal(SBP.Reading.sentence(answer(1, 4, 9)),
    "It cannot decide: 1, 4 and 9 fire; the strongest is 3.");
  assert.deepEqual([answer(2), answer(), answer(2, 3), answer(3)].map((a) => SBP.exact(a, 2)),
    [true, false, false, false]);
  const tally = { exact: 0, spike: 0, membrane: 0 };
  SBP.count(tally, answer(3), 3);
  SBP.count(tally, answer(2, 3), 3);
  SBP.count(tally, answer(), 0);
  assert.deepEqual(tally, { exact: 1, spike: 2, membrane: 2 });
});
