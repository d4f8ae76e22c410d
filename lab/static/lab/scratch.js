/* Second mode: a small network learns scikit-learn's digits from a random start. */
const sbpScratch = (function () {
  "use strict";

  const { Bench, Curve, Network, Reading, WATCHABLE } = window.SBP;
  const { article, bits, count, el, number, oneHot, plural, stamp } = window.SBP;
  const EXAM = 100;  // samples between two points of the learning curve

  class Scratch {
    /** @param {Lab.ScratchData} data */
    constructor(data) {
      const { n_train, n_test, inputs, labels } = data.digits, input = bits(inputs, 64);
      this.samples = Array.from(labels, (label, k) => ({ input: input(k), label: Number(label) }));
      this.current = this.shown = this.samples[0];  // being learned, and on the page
      this.learned = 0;
      this.random = 1;  // the state of the generator that shuffles
      /** The samples of this epoch that are still to come. @type {number[]} */
      this.queue = [];
      /** The test under way. @type {(Lab.Tally & { next: number }) | null} */
      this.exam = null;
      this.test = this.samples.slice(n_train, n_train + n_test);
      this.network = new Network(data);
      this.count = 500;
      this.bench = new Bench(this.network, {
        next: () => this.next(), done: () => this.done(), speeds: [0.5, 24000, 2400],
      });
      this.bench.busy = (deadline) => this.examine(deadline);
      this.bench.snapshot = () => this.show(this.current);
      this.thumb = el("canvas.lab-sample", { role: "img" });
      this.reading = new Reading();
      this.reading.verdict.removeAttribute("role");  // too many answers to read them all out
      this.curveCanvas = el("canvas.lab-curve", { role: "img" });
      this.curve = new Curve(this.curveCanvas, [
        { key: "membrane", label: "membrane", colour: "gate" },
        { key: "spike", label: "spikes", colour: "spike" },
        { key: "exact", label: "exact", colour: "muted", dash: [4, 3] },
      ]);
      this.status = el("p.lab-status");
      this.bench.summary = () => this.status.textContent ?? "";
      this.choice = el("select", { change: () => {
        this.count = Number(this.choice.value);
        this.reset();
      } }, [200, 500, n_train].map((n) =>
        el("option", { value: n, selected: n === this.count }, number(n))));
      this.root = el("div.lab-mode", {},
        el("div.lab-side", {},
          el("div.lab-answer", {},
            el("label", {}, "Real digits to learn from ", this.choice),
            el("div.lab-current", {}, this.thumb, this.reading.verdict), this.reading.root),
          el("div.lab-learning", {}, el("p.lab-title", {}, "Learning curve"), this.curveCanvas, this.status,
            el("button.lab-reset", { type: "button", click: () => this.reset() },
              "Start over from random weights"))),
        this.bench.root);
      this.reset();
    }

    reset() {
      this.bench.finish();
      this.bench.pause();
      this.network.reset();
      this.learned = 0;
      this.random = 1;
      this.queue = [];
      this.exam = null;
      this.curve.clear();
      this.bench.stage.show("learning");
      this.bench.idle("Random weights: the network knows nothing.",
        "Play, and it learns digits written by real people, one turn of the ring for each. The " +
        "curve is its accuracy on others, whose writers it has never seen.");
      this.show(this.samples[0]);
      this.exam = { next: 0, exact: 0, spike: 0, membrane: 0 };
      this.examine(Infinity);
      this.bench.repaint();
    }

    /** Uniform in [0, 1): a small generator, so that every visit shuffles alike. */
    uniform() {
      this.random = (Math.imul(this.random, 1664525) + 1013904223) >>> 0;
      return this.random / 2 ** 32;
    }

    /** @returns {Lab.Turn} */
    next() {
      if (!this.queue.length) {
        this.queue = Array.from({ length: this.count }, (_, i) => i);
        for (let i = this.count - 1; i > 0; i--) {
          const j = Math.floor(this.uniform() * (i + 1));
          [this.queue[i], this.queue[j]] = [this.queue[j], this.queue[i]];
        }
      }
      const sample = this.samples[this.queue.pop() ?? 0];
      this.current = sample;
      if (this.bench.speed <= WATCHABLE) this.show(sample);
      return { kind: "learning", label: sample.label,
        sample: { input: sample.input, target: oneHot(sample.label) } };
    }

    /** @param {Lab.Labelled} sample */
    show(sample) {
      this.shown = sample;
      stamp(this.thumb, sample.input);
      this.thumb.setAttribute("aria-label", `The digit being learned, ${article(sample.label)}`);
      const answer = this.network.read(sample.input);
      this.reading.show(answer, sample.label);
      this.reading.say(`This is ${article(sample.label)}. ${Reading.sentence(answer)}`);
    }

    done() {
      this.learned++;
      if (this.learned % EXAM === 0) {
        this.exam = { next: 0, exact: 0, spike: 0, membrane: 0 };
        if (this.bench.speed <= WATCHABLE) this.examine(Infinity);
      }
    }

    /** Go on with the test under way until `deadline`; whether it is still under way.
     *  @param {number} deadline */
    examine(deadline) {
      const { exam, test } = this;
      if (!exam) return false;
      while (exam.next < test.length && performance.now() < deadline) {
        const { input, label } = test[exam.next++];
        count(exam, this.network.read(input), label);
      }
      if (exam.next < test.length) return true;
      this.exam = null;
      /** @param {number} n */
      const part = (n) => n / test.length;
      const point = { samples: this.learned, spike: part(exam.spike),
        membrane: part(exam.membrane), exact: part(exam.exact) };
      this.curve.add(point);
      this.curve.draw();
      /** @param {number} x */
      const percent = (x) => `${(100 * x).toFixed(1)} %`;
      const text = `${plural(this.learned, "digit")} learned, epoch ` +
        `${Math.floor(this.learned / this.count) + 1}. Of ${test.length} digits by other ` +
        `writers: ${percent(point.spike)} right by spikes, ${percent(point.membrane)} by ` +
        `membrane, ${percent(point.exact)} exact.`;
      this.status.textContent = text;
      this.curveCanvas.setAttribute("aria-label", `Learning curve. ${text}`);
      return false;
    }

    restyle() {
      this.bench.restyle();
      this.curve.draw();
      stamp(this.thumb, this.shown.input);
    }
  }

  return { Scratch };
})();

window.SBP = Object.assign(window.SBP || {}, sbpScratch);
