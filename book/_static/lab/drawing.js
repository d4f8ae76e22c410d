/* First mode: the network trained on MNIST reads and learns what the reader draws. */
(function () {
  "use strict";

  const { AWKWARD, Bench, DIGITS, Network, Pad, Reading } = window.SBP;
  const { article, el, oneHot, pattern, stamp, strokes } = window.SBP;
  const LIMIT = 30;  // turns after which teaching one digit until it is right gives up

  class Drawing {
    constructor(data) {
      this.network = new Network(data);
      this.until = false;
      this.turns = 0;
      this.untilButton = el("button", { type: "button", click: () => this.teachUntil() },
        "Until it is right");
      this.bench = new Bench(this.network, {
        next: () => this.next(), done: (turn) => this.done(turn), speeds: [0.5, 240, 2],
        buttons: [this.untilButton],
      });
      this.padCanvas = el("canvas.lab-pad", { tabindex: 0, role: "application",
        "aria-label": "Drawing pad. Arrow keys move the pen, space puts it down and lifts it, " +
          "delete clears. Or choose one of the digits below." });
      this.pad = new Pad(this.padCanvas, (lines) => this.drawn(lines));
      this.thumb = el("canvas.lab-thumb", { role: "img", "aria-label": "What x is shown" });
      this.reading = new Reading((digit) => this.teach(digit));
      this.history = el("ol.lab-history", { reversed: true });
      const preset = (text, name, label) => el("button", { type: "button", "aria-label": name,
        click: () => this.choose(text, label) }, name.length > 1 ? name : `${label}`);
      this.root = el("div.lab-mode", {},
        el("div.lab-side", {},
          el("div.lab-draw", {},
            el("div.lab-paper", {}, this.padCanvas,
              el("div.lab-padtools", {}, this.thumb,
                el("button", { type: "button", click: () => this.pad.set([]) }, "Clear"))),
            el("div.lab-presets", { role: "group", "aria-label": "Digits to start from" },
              el("p", {}, "Take a digit"), el("div", {},
                Object.entries(DIGITS).map(([label, text]) => preset(text, label, Number(label)))),
              el("p", {}, "or one it misreads"), el("div.lab-two", {},
                AWKWARD.map(([label, name, text]) => preset(text, name, label))))),
          el("div.lab-answer", {}, el("p.lab-title", {}, "It answers"), this.reading.root,
            this.prompt = el("p.lab-prompt"), this.history,
            el("button.lab-reset", { type: "button", click: () => this.reset() },
              "Forget all, back to the trained weights"))),
        this.bench.root);
      this.choose(AWKWARD[0][2], AWKWARD[0][0]);
    }

    /** Put a ready-made digit onto the pad. */
    choose(text) {
      this.pad.set(strokes(text));
    }

    /** The drawing has changed. */
    drawn(lines) {
      this.input = lines.length ? pattern(lines) : null;
      this.label = undefined;
      this.turns = 0;
      this.until = false;
      if (this.bench.turn && !this.bench.playing) this.bench.finish();
      this.refresh();
      if (!this.bench.turn) this.welcome();
    }

    /** Read the drawing again with the weights of now. */
    refresh() {
      this.answer = this.input && this.network.read(this.input);
      this.reading.show(this.answer, this.label);
      stamp(this.thumb, this.input || new Uint8Array(400));
      this.reading.say(this.input ? Reading.sentence(this.answer) : "Draw a digit.");
      this.prompt.textContent = !this.input ? "" : this.label === undefined
        ? "What is it really? Press the right digit above, and the circuit learns it."
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

    next() {
      if (!this.input) return null;
      if (this.label === undefined) return { kind: "inference", sample: { input: this.input } };
      const sample = { input: this.input, target: oneHot(this.label) };
      return { kind: "learning", sample, label: this.label, was: this.answer };
    }

    /** The reader has said what the drawing is. */
    teach(digit) {
      if (!this.input) return;
      this.until = false;
      this.bench.finish();
      if (this.label !== digit) this.turns = 0;
      this.label = digit;
      this.refresh();
      this.bench.play();
    }

    teachUntil() {
      if (this.label === undefined) return;
      this.bench.finish();
      this.until = true;
      this.bench.play();
    }

    get right() {
      return String(this.answer.spikes) === String(this.label);
    }

    /** A turn has ended. */
    done(turn) {
      this.pad.finished = true;
      if (turn.kind === "inference") {
        this.bench.pause();
        return;
      }
      const before = turn.was;
      this.refresh();
      if (turn.sample.input === this.input) {
        this.turns++;
        const said = (answer) => answer.spikes.join(", ") || "nothing";
        this.history.prepend(el("li", {}, `${turn.label} taught: read ${said(before)}, ` +
          `now ${said(this.answer)}${this.right ? " ✓" : ""}`));
        while (this.history.children.length > 5) this.history.lastChild.remove();
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
      this.history.replaceChildren();
      this.label = undefined;
      this.turns = 0;
      this.refresh();
      this.bench.stage.show("inference");
      this.bench.repaint();
      this.welcome();
    }

    restyle() {
      this.bench.restyle();
      this.pad.draw();
      stamp(this.thumb, this.input || new Uint8Array(400));
    }
  }

  window.SBP.Drawing = Drawing;
})();
