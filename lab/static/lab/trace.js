/* What was taught, as files: every spike in plain text that `sbp verify` replays, or as CSV. */
const sbpTrace = (function () {
  "use strict";

  const { Engine } = window.SBP;

  /** Run `samples` from rest: {steps: the engine's spikes step by step, final: the weights}.
   *  @param {Lab.Program} program
   *  @param {Lab.Weights} weights
   *  @param {Lab.Sample[]} samples */
  function record(program, weights, samples) {
    const engine = new Engine(program, weights), steps = [];
    for (const sample of samples) {
      for (let p = 0; p < program.period; p++) {
        engine.step(sample);
        steps.push(engine.senders.map((sender) => engine.which(sender.name)));
      }
    }
    return { steps, final: engine.weights() };
  }

  /** @param {"initial" | "final"} when
   *  @param {Lab.Parameter} parameter
   *  @param {Int16Array} values */
  const matrix = (when, { name, n_post, n_pre }, values) => [
    `matrix ${when} ${name} post ${n_post} pre ${n_pre}`,
    ...Array.from({ length: n_post }, (_, j) =>
      values.subarray(j * n_pre, (j + 1) * n_pre).join(" ")),
  ];

  /** A trace as the package's module `sbp.files.plain` describes it.
   *  @param {Lab.Program} program
   *  @param {Lab.Weights} weights
   *  @param {Lab.Sample[]} samples
   *  @param {Record<string, string>} about */
  function plainTrace(program, weights, samples, about) {
    const { steps, final } = record(program, weights, samples);
    const { name, digest, sizes, populations, sources, parameters } = program;
    const senders = [...populations, ...sources];
    const lines = [
      "sbp-trace 1",
      `# sbp program write ${name} --sizes ${sizes.join("-")} ${name}.sbp`,
      `# sbp verify THIS-FILE --program ${name}.sbp`,
      `program ${digest}`,
      `about ${JSON.stringify(about)}`,
      `samples ${samples.length} steps ${steps.length}`,
      `recorded ${populations.map((population) => population.name).join(" ")}`,
    ];
    for (const each of parameters) lines.push(...matrix("initial", each, weights[each.name]));
    for (const each of parameters) lines.push(...matrix("final", each, final[each.name]));
    steps.forEach((who, step) => {
      const numbers = who.flatMap((neurons, k) => neurons.map((i) => senders[k].start + i));
      lines.push([`step ${step} spikes ${numbers.length}:`, ...numbers].join(" "));
    });
    return [...lines, "end", ""].join("\n");
  }

  /** A line for every spike, as `sbp trace --csv` writes them.
   *  @param {Lab.Program} program
   *  @param {Lab.Weights} weights
   *  @param {Lab.Sample[]} samples */
  function spikesCsv(program, weights, samples) {
    const { period, populations, sources } = program, lines = ["step,sample,phase,population,neuron"];
    const names = [...populations, ...sources].map((sender) => sender.name);
    record(program, weights, samples).steps.forEach((who, step) => {
      const when = `${step},${Math.floor(step / period)},${step % period}`;
      who.forEach((neurons, k) => {
        for (const i of neurons) lines.push(`${when},${names[k]},${i}`);
      });
    });
    return [...lines, ""].join("\n");
  }

  /** Hand `text` to the reader as a file.
   *  @param {string} name
   *  @param {string} text */
  function save(name, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  return { plainTrace, save, spikesCsv };
})();

window.SBP = Object.assign(window.SBP || {}, sbpTrace);
