/* Puzzles: the answer is a circuit, or a number in one, and is judged by running it.

   Questions, cases and hints are those of sbp.app.exercises, so that a page and a notebook ask the
   same and say the same. */
(function () {
  "use strict";

  const { kinds, el, slider, button, spikesOf } = window.SBP.figures;
  const { compile, WiringError } = window.SBP.wiring;

  /** The ring's length and the lines that an answer makes. */
  function linesOf(puzzle, answer) {
    if (puzzle.form === "lines") return [puzzle.ring, answer];
    if (puzzle.form === "number") return [puzzle.ring, puzzle.text.replaceAll("{answer}", answer)];
    if (puzzle.form === "choice") return [puzzle.ring || answer, puzzle.texts[answer]];
    const added = Object.entries(puzzle.rows).flatMap(([row, lines]) => [...answer[row]]
      .sort((a, b) => a - b).flatMap((p) => lines.map((line) => line.replaceAll("{p}", p))));
    return [puzzle.ring, [puzzle.text, ...added].join("\n")];
  }

  /** The hint of the first case that does not hold; "" if all do. */
  function fails(puzzle, answer) {
    const [ring, text] = linesOf(puzzle, answer);
    const matrix = puzzle.matrix.length > 0;
    const program = compile(text, { ...puzzle, ring, parameters: matrix
      ? [{ name: "W", n_post: puzzle.matrix.length, n_pre: puzzle.matrix[0].length }] : [] });
    const seen = new Map();
    for (const one of puzzle.cases) {
      const key = JSON.stringify(one.given);
      if (!seen.has(key)) {
        const samples = one.given.map((sample) => Object.fromEntries(puzzle.sources.map(
          ({ name, size }) => [name, Uint8Array.from(sample[name] || Array(size).fill(0))])));
        const weights = matrix ? { W: Int16Array.from(puzzle.matrix.flat()) } : {};
        seen.set(key, spikesOf(program, weights, samples).rows);
      }
      const fired = [...seen.get(key)[one.sample * program.period + one.phase][one.population]];
      if (fired.join() !== one.fires.join()) return one.hint;
    }
    return "";
  }

  function more(puzzle, answer) {
    if (puzzle.form === "timetable") {
      return Object.values(answer).reduce((sum, phases) => sum + phases.length, 0) > puzzle.entries;
    }
    return answer - 1 in puzzle.texts && !fails(puzzle, answer - 1);
  }

  /** Run it and say what was seen: {right, text}. */
  function judge(puzzle, answer) {
    try {
      const hint = fails(puzzle, answer) || (puzzle.fewest && more(puzzle, answer) ? puzzle.fewest : "");
      return hint ? { right: false, text: hint } : { right: true, text: puzzle.right };
    } catch (error) {
      if (!(error instanceof WiringError)) throw error;
      return { right: false, text: `This is no circuit: ${error.message}.` };
    }
  }

  /** Something to answer with, and a function that reads it. */
  const forms = {
    number(puzzle) {
      const [min, max, step] = puzzle.span;
      const input = slider("your answer", { min, max, step, value: min }, () => {});
      return [input.node, () => input.value];
    },
    choice(puzzle) {
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
    const puzzle = data.puzzles[root.dataset.puzzle];
    const [input, read] = forms[puzzle.form](puzzle);
    const told = el("p", { class: "fig-status", "aria-live": "polite" });
    root.append(el("p", {}, puzzle.question), input, el("div", { class: "fig-player" },
      button("Check", () => {
        const answer = read();
        const verdict = answer === null ? { right: false, text: "Not answered yet: choose first." }
          : judge(puzzle, answer);
        told.textContent = verdict.text;
        told.dataset.right = verdict.right;
      }, { class: "fig-play" })), told);
  };

  window.SBP = Object.assign(window.SBP || {}, { puzzles: { judge } });
})();
