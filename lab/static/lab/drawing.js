/* First mode: the network trained on MNIST reads and learns what the reader draws. */
const sbpDrawing = (function () {
  "use strict";

  const { AWKWARD, Bench, DIGITS, Meter, Network, Pad, Reading, calm } = window.SBP;
  const { article, drawing, el, lines, oneHot, pattern, plainTrace, plural, save } = window.SBP;
  const { exact, spikesCsv, stamp } = window.SBP;
  const LIMIT = 30;  // turns after which teaching one digit until it is right gives up
  const PAGE = "http://www.w3.org/2000/svg";

  /** A drawing as a small picture in the colour of the text.
   *  @param {Lab.Stroke[]} strokes */
  function miniature(strokes) {
    const svg = document.createElementNS(PAGE, "svg"), path = document.createElementNS(PAGE, "path");
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", lines(strokes).map((line) => `M${line.map((point) =>
      point.map((n) => Math.round(100 * n)).join(" ")).join("L")}`).join(""));
    svg.append(path);
    return svg;
  }

  class Drawing {
    /** @param {Lab.DrawnData} data */
    constructor(data) {
      this.network = new Network(data);
      this.until = false;
      this.turns = 0;
      /** The samples of all lessons since the trained weights. @type {Lab.Digit[]} */
      this.taught = [];
      /** What x is shown, if anything is drawn. @type {Uint8Array | null} */
      this.input = null;
      /** What was said it is. @type {number | undefined} */
      this.label = undefined;
      /** What the network makes of it. @type {Lab.Answer | null} */
      this.answer = null;
      this.follow = () => {};  // called when what is drawn or taught has changed
      this.address = () => location.href;  // the address of what is on the page now
      this.meter = new Meter(this.network, data.exam);
      this.untilButton = el("button", { type: "button", click: () => this.teachUntil() },
        "Until it is right");
      this.bench = new Bench(this.network, {
        next: () => this.next(), done: (turn) => this.done(turn), speeds: [0.5, 240, 2],
        buttons: [this.untilButton], more: [this.meter.root],
      });
      this.padCanvas = el("canvas.lab-pad", { tabindex: 0, role: "application",
        "aria-label": "Drawing pad. Arrow keys move the pen, space puts it down and lifts it, " +
          "delete clears. Or choose one of the digits below." });
      this.pad = new Pad(this.padCanvas, (strokes) => this.drawn(strokes));
      this.thumb = el("canvas.lab-thumb", { role: "img", "aria-label": "What x is shown" });
      this.reading = new Reading((digit) => this.teach(digit));
      this.history = el("ol.lab-history", { reversed: true });
      this.prompt = el("p.lab-prompt");
      this.shared = el("p.lab-shared", { role: "status" });
      /** @param {string} text
       *  @param {() => void} click */
      const button = (text, click) => el("button", { type: "button", click }, text);
      /** @param {string} text
       *  @param {string} name
       *  @param {Lab.Child[]} inside */
      const chip = (text, name, ...inside) => el("button.lab-example", { type: "button",
        "aria-label": name, click: () => this.pad.set(drawing(text)) }, ...inside);
      this.root = el("div.lab-mode.lab-drawing", {},
        el("section.lab-strip", { "aria-label": "Drawing and answer" },
          this.padCanvas,
          el("div.lab-padtools", {}, this.thumb, button("Clear", () => this.pad.set([]))),
          el("div.lab-says", {}, this.reading.verdict, this.prompt),
          this.reading.chart),
        el("div.lab-chips", {},
          el("div", { role: "group", "aria-label": "Digits to start from" },
            Object.entries(DIGITS).map(([label, text]) => chip(text, label, miniature(drawing(text))))),
          el("div", { role: "group", "aria-label": "Digits that it misreads" },
            AWKWARD.map(([, name, text]) => chip(text, name, miniature(drawing(text)), name)))),
        this.bench.root,
        el("div.lab-notes", {}, this.reading.measures, this.history, this.reading.key,
          el("button.lab-reset", { type: "button", click: () => this.reset() },
            "Forget all, back to the trained weights"),
          el("div.lab-keep", { role: "group", "aria-label": "Keep and share" },
            button("Copy link", () => this.copyLink()),
            button("Save trace", () => this.saveTrace()),
            button("Save spikes as CSV", () => this.saveCsv())),
          this.shared),
        this.bench.maps);
      this.pad.set(drawing(AWKWARD[0][2]));
      this.meter.measure();
    }

    /** The drawing has changed.
     *  @param {Lab.Stroke[]} strokes */
    drawn(strokes) {
      this.input = strokes.length ? pattern(strokes) : null;
      this.label = undefined;
      this.turns = 0;
      this.until = false;
      if (this.bench.turn && !this.bench.playing) this.bench.finish();
      this.refresh();
      if (!this.bench.turn) this.welcome();
      this.follow();
    }

    /** Read the drawing again with the weights of now. */
    refresh() {
      this.answer = this.input && this.network.read(this.input);
      this.reading.show(this.answer, this.label);
      stamp(this.thumb, this.input || new Uint8Array(400));
      this.reading.say(this.answer ? Reading.sentence(this.answer) : "Draw a digit.");
      this.prompt.textContent = !this.input ? "" : this.label === undefined
        ? "What is it really? Press the right digit below the bars: the circuit learns it."
        : `The circuit is learning that this is ${article(this.label)} …`;
      this.untilButton.disabled = this.label === undefined;
    }

    welcome() {
      this.bench.stage.waiting = this.input ? { x: this.input } : {};
      this.bench.idle(
        this.input ? "The pattern waits before x." : "The ring is at rest.",
        this.input
          ? "Play, and the inference circuit reads it in 4 steps. Or press the right digit, and " +
            "the learning circuit takes it through 12."
          : "Draw a digit, or take one that is ready.");
    }

    /** @returns {Lab.Turn | null} */
    next() {
      if (!this.input) return null;
      if (this.label === undefined) return { kind: "inference", sample: { input: this.input } };
      const sample = { input: this.input, target: oneHot(this.label) };
      return { kind: "learning", sample, label: this.label, was: this.answer ?? undefined };
    }

    /** The reader has said what the drawing is.
     *  @param {number} digit */
    teach(digit) {
      if (!this.input) return;
      this._intend(digit);
      this.bench.play();
      this.bench.come();
    }

    /** @param {number} digit */
    _intend(digit) {
      this.until = false;
      this.bench.finish();
      if (this.label !== digit) this.turns = 0;
      this.label = digit;
      this.refresh();
      this.follow();
    }

    teachUntil() {
      if (this.label === undefined) return;
      this.bench.finish();
      this.until = true;
      this.bench.play();
    }

    /** What a link says: a drawing, and with `digit` a lesson, which begins at once.
     *  @param {Lab.Stroke[]} strokes
     *  @param {number} [digit] */
    restore(strokes, digit) {
      this.bench.pause();
      this.pad.set(strokes);
      if (digit !== undefined && this.input) {
        this._intend(digit);
        if (calm.matches) this.prompt.textContent = `Play teaches that this is ${article(digit)}.`;
        else this.bench.play();
      }
      this.bench.come();
    }

    /** A link that says nothing the lab could show.
     *  @param {string} text */
    refuse(text) {
      this.prompt.textContent = text;
    }

    get right() {
      return this.answer !== null && exact(this.answer, this.label);
    }

    /** A turn has ended.
     *  @param {Lab.Done} turn */
    done(turn) {
      this.pad.finished = true;
      if (turn.kind === "inference") {
        this.bench.pause();
        return;
      }
      this.taught.push(turn.sample);
      this.meter.lesson();
      this.refresh();
      if (turn.sample.input === this.input && turn.was && this.answer) {
        this.turns++;
        /** @param {Lab.Answer} answer */
        const said = (answer) => answer.spikes.join(", ") || "nothing";
        this.history.prepend(el("li", {}, `${turn.label} taught: read ${said(turn.was)}, ` +
          `now ${said(this.answer)}${this.right ? " ✓" : ""}`));
        while (this.history.children.length > 5) this.history.lastChild?.remove();
        const times = this.turns === 1 ? "one turn" : `${this.turns} turns`;
        this.reading.say(`After ${times}: ${Reading.sentence(this.answer)}`);
        this.prompt.textContent = this.right
          ? "Learned. Draw it again, a little differently, to see whether that holds."
          : turn.updates ? "Not yet. Teach it again, or until it is right."
            : "Nothing was learned. The circuit learns from near misses: an output that should " +
              "fire must be driven above 0, one that should not, no further than 1,024.";
      }
      if (!this.until || this.right || !turn.updates || this.turns >= LIMIT) {
        this.until = false;
        this.bench.pause();
      }
    }

    reset() {
      this.bench.finish();
      this.bench.pause();
      this.network.reset();
      this.taught = [];
      this.meter.reset();
      this.history.replaceChildren();
      this.label = undefined;
      this.turns = 0;
      this.refresh();
      this.bench.stage.show("inference");
      this.bench.repaint();
      this.welcome();
      this.follow();
    }

    /** Copy the address of the drawing and of what it was called. */
    async copyLink() {
      const address = this.address();
      try {
        await navigator.clipboard.writeText(address);
        this.shared.textContent = "Copied: the drawing, and the lesson if you taught one.";
      } catch {
        this.shared.textContent = "Copy the address of this page: it holds the drawing.";
      }
    }

    /** What a file holds: all lessons from the trained weights, or the reading if there is none. */
    _kept() {
      /** @type {Lab.Digit[]} */
      const samples = this.taught.length ? this.taught : this.input ? [{ input: this.input }] : [];
      const program = this.network.programs[this.taught.length ? "learning" : "inference"];
      const what = this.taught.length ? plural(samples.length, "lesson") : "reading";
      return samples.length === 0 ? null : { samples, program, what,
        name: `sbp-lab-${what.replace(/[ ,]+/g, "-")}` };
    }

    saveTrace() {
      this._save(".txt", "sbp verify checks it; its first lines say how.",
        ({ program, samples, what }) => plainTrace(program, this.network.trained(), samples,
          { engine: "browser", source: `the lab: ${what}` }));
    }

    saveCsv() {
      this._save(".csv", "a line for every spike.",
        ({ program, samples }) => spikesCsv(program, this.network.trained(), samples));
    }

    /** @param {string} suffix
     *  @param {string} why
     *  @param {(kept: { samples: Lab.Digit[], program: Lab.Program, what: string }) => string} text */
    _save(suffix, why, text) {
      const kept = this._kept();
      if (!kept) {
        this.shared.textContent = "Draw a digit first: there are no spikes to save.";
        return;
      }
      save(kept.name + suffix, text(kept));
      this.shared.textContent = `Saved ${kept.name}${suffix} (${kept.what}): ${why}`;
    }

    restyle() {
      this.bench.restyle();
      this.pad.draw();
      stamp(this.thumb, this.input || new Uint8Array(400));
    }
  }

  return { Drawing };
})();

window.SBP = Object.assign(window.SBP || {}, sbpDrawing);
