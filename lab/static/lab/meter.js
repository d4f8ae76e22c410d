/* What a lesson costs: digits that the network was never taught, read again after every lesson. */
const sbpMeter = (function () {
  "use strict";

  const { bits, count, el, plural } = window.SBP;
  const BUDGET = 3;  // milliseconds of a frame; the stage is drawn in the same frame
  /** @type {[keyof Lab.Tally, string][]} */
  const MEASURES = [["exact", "exact"], ["spike", "by spikes"], ["membrane", "by membrane"]];

  class Meter {
    /** `exam`: {inputs, labels, size} of the digits, one bit for each pixel.
     *  @param {Lab.Network} network
     *  @param {Lab.Exam} exam */
    constructor(network, exam) {
      const { inputs, labels, size } = exam, input = bits(inputs, size);
      this.digits = Array.from(labels, (label, k) => ({ label: Number(label), input: input(k) }));
      this.network = network;
      this.reader = network.apart();
      this.lessons = 0;  // since the last result
      this.frame = 0;
      this.next = 0;  // the digit to be read
      this.tally = { exact: 0, spike: 0, membrane: 0 };
      /** How many are right with the trained weights. @type {Lab.Tally | null} */
      this.trained = null;
      /** How many were right last. @type {Lab.Tally | null} */
      this.result = null;
      this.said = el("p.lab-cost", { role: "status" });
      this.rows = MEASURES.map(([key, name]) => {
        const bar = el("i.lab-now"), tick = el("i.lab-then"), value = el("b"), change = el("span");
        return { key, bar, tick, value, change,
          root: el("div.lab-gauge", {}, el("span", {}, name),
            el("div.lab-scale", { "aria-hidden": "true" }, bar, tick),
            el("span.lab-count", {}, value, " ", change)) };
      });
      this.root = el("section.lab-meter", { "aria-label": "What lessons cost" }, this.said,
        ...this.rows.map((each) => each.root));
      this.say(`Reading ${this.digits.length} digits that it was never taught …`);
    }

    /** @param {string} text */
    say(text) {
      if (this.said.textContent !== text) this.said.textContent = text;
    }

    /** A lesson is over: measure the weights of now, whatever is learned meanwhile. */
    lesson() {
      this.lessons++;
      this.measure();
    }

    /** Back to the trained weights. */
    reset() {
      this.lessons = 0;
      this.result = null;
      this.measure();
    }

    measure() {
      this.reader.copy();
      this.next = 0;
      this.tally = { exact: 0, spike: 0, membrane: 0 };
      if (!this.frame) this.frame = requestAnimationFrame(() => this._slice());
    }

    _slice() {
      this.frame = 0;
      const { digits, tally } = this, deadline = performance.now() + BUDGET;
      while (this.next < digits.length && performance.now() < deadline) {
        const { input, label } = digits[this.next++];
        count(tally, this.network.read(input, this.reader.engine), label);
      }
      if (this.next === digits.length) this._show();
      else this.frame = requestAnimationFrame(() => this._slice());
    }

    _show() {
      const { tally, lessons, digits } = this, before = this.result;
      this.result = tally;
      const trained = (this.trained ??= tally);
      /** @param {number} n */
      const part = (n) => `${(100 * n) / digits.length}%`;
      for (const { key, bar, tick, value, change } of this.rows) {
        const moved = tally[key] - trained[key];
        bar.style.width = part(tally[key]);
        tick.style.left = part(trained[key]);
        value.textContent = String(tally[key]);
        change.textContent = !moved ? "" : moved < 0 ? `−${-moved}` : `+${moved}`;
      }
      this.lessons = 0;
      const all = `${digits.length} digits it was never taught`;
      if (!before || !lessons) {
        this.say(`Of ${all}, it reads ${tally.exact} exactly.`);
        return;
      }
      const what = lessons === 1 ? "The lesson" : `${lessons} lessons`;
      const moved = tally.exact - before.exact;
      this.say(!moved ? `${what} cost none of the ${all}: ${tally.exact} exact, as before.`
        : `${what} ${moved < 0 ? "cost" : "won"} ${plural(Math.abs(moved), "answer")}: of ${all}, ` +
          `${before.exact} were exact, now ${tally.exact}.`);
    }
  }

  return { Meter };
})();

window.SBP = Object.assign(window.SBP || {}, sbpMeter);
