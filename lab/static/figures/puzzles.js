/* Puzzles: the answer is a circuit, or a number in one, and is judged by running it.

   Questions, cases and hints are those of sbp.app.exercises, so that a page and a notebook ask the
   same and say the same. */
const sbpPuzzles = (function () {
  "use strict";

  const { kinds, el, slider, button, spikesOf } = window.SBP.figures;
  const { compile, WiringError } = window.SBP.wiring;

  /** The ring's length and the lines that an answer makes.
   *  @param {Lab.Puzzle} puzzle
   *  @param {Lab.Reply} answer
   *  @returns {[number, string]} */
  function linesOf(puzzle, answer) {
    if (typeof answer === "string") return [puzzle.ring, answer];
    if (typeof answer === "number") {
      return puzzle.form === "choice" ? [puzzle.ring || answer, puzzle.texts[answer]]
        : [puzzle.ring, puzzle.text.replaceAll("{answer}", String(answer))];
    }
    const added = Object.entries(puzzle.rows).flatMap(([row, lines]) => [...answer[row]]
      .sort((a, b) => a - b).flatMap((p) => lines.map((line) => line.replaceAll("{p}", String(p)))));
    return [puzzle.ring, [puzzle.text, ...added].join("\n")];
  }

  /** The hint of the first case that does not hold; "" if all do.
   *  @param {Lab.Puzzle} puzzle
   *  @param {Lab.Reply} answer */
  function fails(puzzle, answer) {
    const [ring, text] = linesOf(puzzle, answer);
    const matrix = puzzle.matrix.length > 0;
    const program = compile(text, { ...puzzle, ring, parameters: matrix
      ? [{ name: "W", n_post: puzzle.matrix.length, n_pre: puzzle.matrix[0].length }] : [] });
    /** What was seen of the samples that several cases share. @type {Map<string, Lab.Rows>} */
    const seen = new Map();
    for (const one of puzzle.cases) {
      const key = JSON.stringify(one.given);
      let rows = seen.get(key);
      if (!rows) {
        const samples = one.given.map((sample) => Object.fromEntries(puzzle.sources.map(
          ({ name, size }) => [name, Uint8Array.from(sample[name] || Array(size).fill(0))])));
        /** @type {Lab.Weights} */
        const weights = matrix ? { W: Int16Array.from(puzzle.matrix.flat()) } : {};
        rows = spikesOf(program, weights, samples).rows;
        seen.set(key, rows);
      }
      const fired = [...rows[one.sample * program.period + one.phase][one.population]];
      if (fired.join() !== one.fires.join()) return one.hint;
    }
    return "";
  }

  /** Whether less would have done.
   *  @param {Lab.Puzzle} puzzle
   *  @param {Lab.Reply} answer */
  function more(puzzle, answer) {
    if (typeof answer === "object") {
      return Object.values(answer).reduce((sum, phases) => sum + phases.length, 0) > puzzle.entries;
    }
    const less = Number(answer) - 1;
    return less in puzzle.texts && !fails(puzzle, less);
  }

  /** Run it and say what was seen.
   *  @param {Lab.Puzzle} puzzle
   *  @param {Lab.Reply} answer
   *  @returns {Lab.Verdict} */
  function judge(puzzle, answer) {
    try {
      const hint = fails(puzzle, answer) || (puzzle.fewest && more(puzzle, answer) ? puzzle.fewest : "");
      return hint ? { right: false, text: hint } : { right: true, text: puzzle.right };
    } catch (error) {
      if (!(error instanceof WiringError)) throw error;
      return { right: false, text: `This is no circuit: ${error.message}.` };
    }
  }

  /** Something to answer with, and a function that reads it; null: not answered yet.
   *  @type {Record<Lab.Puzzle["form"],
   *    (puzzle: Lab.Puzzle) => [HTMLElement, () => Lab.Reply | null]>} */
  const forms = {
    number(puzzle) {
      const [min, max, step] = puzzle.span;
      const input = slider("your answer", { min, max, step, value: min }, () => {});
      return [input.node, () => input.value];
    },
    choice(puzzle) {
      /** @type {number | null} */
      let chosen = null;
      const buttons = Object.keys(puzzle.texts).map((text) => button(text, () => {
        chosen = Number(text);
        buttons.forEach((b) => b.setAttribute("aria-pressed", String(b.textContent === text)));
      }, { "aria-pressed": "false" }));
      return [el("div", { class: "fig-player", role: "group", "aria-label": "your answer" }, ...buttons),
        () => chosen];
    },
    lines(puzzle) {
      const text = el("textarea", { rows: puzzle.text.split("\n").length, spellcheck: "false",
        "aria-label": "your answer" });
      text.value = puzzle.text;
      return [text, () => text.value];
    },
    timetable(puzzle) {
      /** @type {Record<string, HTMLInputElement[]>} */
      const boxes = {};
      const phases = Array.from({ length: puzzle.ring }, (_, p) => p);
      const rows = Object.keys(puzzle.rows).map((row) => {
        boxes[row] = phases.map((p) => el("input", { type: "checkbox", "aria-label": `${row} in phase ${p}` }));
        return el("tr", {}, el("th", { scope: "row" }, row), ...boxes[row].map((b) => el("td", {}, b)));
      });
      const head = el("tr", {}, el("th", { scope: "col" }, "phase"),
        ...phases.map((p) => el("th", { scope: "col" }, String(p))));
      const table = el("table", { class: "fig-timetable fig-answer" }, el("thead", {}, head),
        el("tbody", {}, ...rows));
      return [el("div", { class: "fig-scroll", tabindex: 0 }, table), () => Object.fromEntries(
        Object.keys(boxes).map((row) => [row, phases.filter((p) => boxes[row][p].checked)]))];
    },
  };

  kinds.puzzle = (root, data) => {
    const puzzle = data.puzzles[root.dataset.puzzle ?? ""];
    const [input, read] = forms[puzzle.form](puzzle);
    const told = el("p", { class: "fig-status", "aria-live": "polite" });
    root.append(el("p", {}, puzzle.question), input, el("div", { class: "fig-player" },
      button("Check", () => {
        const answer = read();
        const verdict = answer === null ? { right: false, text: "Not answered yet: choose first." }
          : judge(puzzle, answer);
        told.textContent = verdict.text;
        told.dataset.right = String(verdict.right);
      }, { class: "fig-play" })), told);
  };

  return { puzzles: { judge } };
})();

window.SBP = Object.assign(window.SBP || {}, sbpPuzzles);
