/* The answer of the network: how strongly each output is driven, and what that means. */
const sbpReading = (function () {
  "use strict";

  const { article, el, exact: isExact, list } = window.SBP;
  const FULL = 1600;  // weight units at the end of a bar

  class Reading {
    /** With `teach`, a button under each bar says that this is the right digit.
     *  @param {(digit: number) => void} [teach] */
    constructor(teach) {
      this.columns = Array.from({ length: 10 }, (_, digit) => {
        const bar = el("i.lab-bar"), dot = el("i.lab-dot");
        const foot = teach
          ? el("button.lab-digit", { type: "button", "aria-pressed": "false",
            "aria-label": `Teach: this is ${article(digit)}`, click: () => teach(digit) }, `${digit}`)
          : el("span.lab-digit", {}, String(digit));
        return { bar, dot, foot, root: el("div.lab-column", {}, dot, el("div.lab-track", {}, bar),
          foot) };
      });
      this.verdict = el("p.lab-verdict", { role: "status" });
      this.measures = el("p.lab-measures");
      this.chart = el("div.lab-chart", {}, this.columns.map((column) => column.root));
      this.key = el("p.lab-key-text", {}, "Bars: W2 h, the drive of each output. Above the line " +
        "(512) it fires; a dot is its spike.");
      this.root = el("div.lab-reading", {}, this.chart, this.measures, this.key);
    }

    /** Show `answer` of Network.read, or nothing; `label` is the right digit, if known.
     *  @param {Lab.Answer | null} answer
     *  @param {number} [label] */
    show(answer, label) {
      this.columns.forEach(({ bar, dot, foot, root }, digit) => {
        const sum = answer ? answer.sums[digit] : 0;
        const part = Math.min(Math.abs(sum) / FULL, 1) * 50;
        bar.style.height = `${part}%`;
        bar.style.bottom = sum >= 0 ? "50%" : `${50 - part}%`;
        bar.classList.toggle("lab-below", sum < 0);
        const fires = answer !== null && answer.spikes.includes(digit);
        dot.classList.toggle("lab-on", fires);
        root.title = answer ? `${digit}: W2 h = ${sum}${fires ? ", fires" : ""}` : "";
        if (foot.tagName === "BUTTON") foot.setAttribute("aria-pressed", String(digit === label));
        else foot.classList.toggle("lab-right", digit === label);
      });
      const exact = label === undefined ? "say the right digit to know"
        : answer && isExact(answer, label) ? "yes" : "no";
      const rows = answer
        ? [["by spikes", answer.spikes.length ? answer.spike : `${answer.spike} (no spike)`],
          ["by membrane", answer.membrane], ["exact", exact]] : [];
      this.measures.replaceChildren(...rows.map(([name, value]) =>
        el("span", {}, `${name} `, el("b", {}, String(value)))));
    }

    /** Say `text`; a screen reader is told only what is new.
     *  @param {string} text */
    say(text) {
      if (this.verdict.textContent !== text) this.verdict.textContent = text;
    }

    /** What the outputs say, in one sentence.
     *  @param {Lab.Answer} answer */
    static sentence(answer) {
      const { spikes, membrane } = answer;
      if (spikes.length === 1) return `It reads ${article(spikes[0])}.`;
      if (!spikes.length) return `No output fires; the strongest is ${membrane}.`;
      return `It cannot decide: ${list(spikes)} fire; the strongest is ${membrane}.`;
    }
  }

  return { Reading };
})();

window.SBP = Object.assign(window.SBP || {}, sbpReading);
