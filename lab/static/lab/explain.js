/* Words for every phase, from what the engine has just done. */
const sbpExplain = (function () {
  "use strict";

  const { written } = window.SBP;
  /** @param {number} n */
  const number = (n) => n.toLocaleString("en");
  /** @param {number} n
   *  @param {string} one
   *  @param {string} [many] */
  const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

  /** "3", "3 and 9", "3, 5 and 9"; "none".
   *  @param {(string | number)[]} items */
  function list(items, none = "none") {
    if (!items.length) return none;
    if (items.length === 1) return String(items[0]);
    return `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
  }

  /** "a 3", "an 8".
   *  @param {number} digit */
  const article = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;

  /** How many synapses of `parameter` the last step taught, counting its first copy only.
   *  @param {Lab.Engine} engine
   *  @param {string} parameter */
  function taught(engine, parameter) {
    const found = engine.learned().find(({ projection }) =>
      engine.program.parameters[projection.matrix].name === parameter && !projection.transpose);
    return found ? found.synapses : 0;
  }

  /** What to say of the step that an engine has just done; `label` is the right digit, if known.
   *  @typedef {(e: Lab.Engine, label?: number) => string} Say */

  /** The outputs as they answered, before they carried the error.
   *  @type {WeakMap<Lab.Engine, number[]>} */
  const answers = new WeakMap();

  /** @type {Say[]} */
  const forward = [
    () => `The input pattern leaves for x, and the ring's spike stands at g1.`,
    (e) => `g1 opens x for one step: ${plural(e.spikes("x"), "neuron fires", "neurons fire")},
      one for each dark pixel.`,
  ];

  /** @param {Lab.Engine} e */
  const answer = (e) => {
    const fired = e.which("o");
    return `o fires where W2 h > 512: ${list(fired, "nowhere")}.`;
  };

  /** @type {Say[]} */
  const inference = [
    ...forward,
    (e) => `g2 opens h: ${plural(e.spikes("h"), "neuron")} with W1 x > 512
      ${e.spikes("h") === 1 ? "fires" : "fire"}.`,
    (e) => `g3 opens o. ${answer(e)}`,
  ];

  /** What is wrong with the outputs, in words.
   *  @param {Lab.Engine} e
   *  @param {number} [label] */
  function errors(e, label) {
    const [up, down] = [e.which("d+"), e.which("d-")];
    if (up.length + down.length) {
      return [
        up.length ? `d⁺ says that ${list(up)} should have fired.` : "",
        down.length ? `d⁻ says that ${list(down)} should have kept silent.` : "",
      ].join(" ");
    }
    return String(answers.get(e)) !== String([label])
      ? `The answer is wrong, yet no error fires: the outputs lie where the derivative is zero
        (not above 0, or above 1,024), and from there nothing can be learned.`
      : "No error: the answer is exact. The ring turns on, and nothing will be learned.";
  }

  /** @param {Lab.Engine} e
   *  @param {string} parameter
   *  @param {string} pre
   *  @param {string} post
   *  @param {"up" | "down"} way */
  const grown = (e, parameter, pre, post, way) => {
    const n = taught(e, parameter);
    return n
      ? `${plural(e.spikes(pre), `${written(pre)} spike`)} meet
        ${plural(e.spikes(post), `${written(post)} spike`)}:
        ${plural(n, "synapse")} of ${parameter} ${n === 1 ? "goes" : "go"} ${way} by 2.`
      : `Nothing meets: ${parameter} stays as it is.`;
  };

  /** @type {Say[]} */
  const learning = [
    forward[0],
    (e) => `${forward[1](e)} A copy of each spike sets out for x mem, and arrives in phase 6.`,
    (e) => `g2 opens the hidden layer three ways. W1 x is above 512 in
      ${plural(e.spikes("h"), "neuron")} (h), above 0 in ${number(e.spikes("h<"))} (h<) and above
      1,024 in ${number(e.spikes("h>"))} (h>). h< without h> is where the derivative of the
      activation function is one.`,
    (e, label) => `g3 opens the output layer. ${answer(e)} The target says ${label}. h mem keeps
      the hidden pattern.`,
    errors,
    (e) => `Reward: coincidences now strengthen. h fires again from memory, o where d⁺ was.
      ${grown(e, "W2", "h", "o", "up")} Its copies that read W2 backwards learn the same.`,
    (e) => `The error goes back through W2: hᵀ fires where W2ᵀ(d⁺ − d⁻) > 0,
      ${plural(e.spikes("hT"), "neuron")}. h box holds the derivative,
      ${plural(e.spikes("h_box"), "neuron")}.`,
    (e) => `Reward again. x fires from memory; h fires where error and derivative meet.
      ${grown(e, "W1", "x", "h", "up")}`,
    () => "The hidden layer is held shut, so that the spikes of x cannot fire it.",
    (e) => `No reward: coincidences now weaken. h fires again from memory, o where d⁻ was.
      ${grown(e, "W2", "h", "o", "down")}`,
    (e) => `The same error with its sign swapped: hᵀ fires where W2ᵀ(d⁺ − d⁻) < 0,
      ${plural(e.spikes("hT"), "neuron")}.`,
    (e) => `x fires from memory; h where the negative error and the derivative meet.
      ${grown(e, "W1", "x", "h", "down")}`,
  ];

  /** The step that `engine` has just done, in a sentence or two; `label` is the right digit.
   *  @param {Lab.Engine} engine
   *  @param {number} [label] */
  function explain(engine, label) {
    const { phase } = engine;
    if (phase === 3) answers.set(engine, engine.which("o"));
    const say = (engine.program.name === "learning" ? learning : inference)[phase];
    return say(engine, label).replace(/\s+/g, " ").trim();
  }

  /** Everything that fires, for those who cannot see the picture.
   *  @param {Lab.Engine} engine */
  function inWords(engine) {
    const firing = engine.program.populations
      .filter((p) => engine.spikes(p.name))
      .map((p) => {
        const which = p.size === 10 ? ` (${list(engine.which(p.name))})` : "";
        return p.size === 1 ? `gate ${p.name}`
          : `${written(p.name)}: ${number(engine.spikes(p.name))} of ${number(p.size)}${which}`;
      });
    return firing.length ? firing : ["nothing fires"];
  }

  return { article, explain, inWords, list, number, plural };
})();

window.SBP = Object.assign(window.SBP || {}, sbpExplain);
