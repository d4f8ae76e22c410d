/* A network as the two circuits that share its weights: one learns, one only reads. */
const sbpNetwork = (function () {
  "use strict";

  const { Engine, unpackWeights } = window.SBP;
  /** @param {Lab.Projection} p */
  const MATRIX = (p) => p.matrix >= 0;

  class Network {
    /** `data`: the programs `learning` and `inference`, and packed `weights`.
     *  @param {Lab.NetworkData} data */
    constructor(data) {
      this.data = data;
      this.programs = { learning: data.learning, inference: data.inference };
      // o's synaptic current is W2 h and what its gate adds.
      const { populations, projections } = data.inference;
      const o = populations.findIndex((p) => p.name === "o");
      this.gate = projections
        .filter((p) => p.target === o && !MATRIX(p))
        .reduce((sum, p) => sum + p.mantissa * 2 ** p.exponent, 0);
      this.output = populations[o];
      const weights = this.trained();
      this.learning = new Engine(this.data.learning, weights);
      this.reader = this._sharing(weights);  // reads at once, unseen
      this.inference = this._sharing(weights);  // reads on the stage
    }

    /** Back to the weights that came with the page. */
    reset() {
      const weights = this.trained();
      this.learning = new Engine(this.data.learning, weights);
      this.reader = this._sharing(weights);
      this.inference = this._sharing(weights);
    }

    /** An inference engine that holds the very arrays from which x -> h and h -> o learn.
     *  @param {Lab.Weights} weights */
    _sharing(weights) {
      const engine = new Engine(this.data.inference, weights);
      this.data.inference.projections.forEach((p, j) => {
        if (MATRIX(p)) engine.rows[j] = this.rows(p.name);
      });
      return engine;
    }

    /** The weights of the learning circuit's projection `name`, a row per source neuron.
     *  @param {string} name */
    rows(name) {
      const rows = this.learning.rows[
        this.data.learning.projections.findIndex((p) => p.name === name)];
      if (!rows) throw new Error(`no projection with a matrix is called ${name}`);
      return rows;
    }

    /** The weights that came with the page: {name: Int16Array, row per target}. */
    trained() {
      return unpackWeights(this.data.weights);
    }

    /** Read a pattern: output spikes, sums W2 h, and the answers by spikes and by membrane.
     *  @param {Uint8Array} input */
    read(input, engine = this.reader) {
      for (let p = 0; p < engine.program.period; p++) engine.step({ input });
      return this.answer(engine);
    }

    /** An inference engine with weights of its own; `copy` gives it those of now. */
    apart() {
      const engine = new Engine(this.data.inference, this.trained());
      const copy = () => this.data.inference.projections.forEach((p, j) => {
        if (MATRIX(p)) engine.rows[j]?.set(this.rows(p.name));
      });
      return { engine, copy };
    }

    /** The same from an inference engine that has just done its last phase.
     *  @param {Lab.Engine} engine
     *  @returns {Lab.Answer} */
    answer(engine) {
      const { start, size } = this.output;
      const sums = Array.from(engine.u.subarray(start, start + size), (u) => u / 64 - this.gate);
      const spikes = engine.which("o");
      // Both ties go to the lowest; without any spike that is 0.
      return { spikes, sums, spike: spikes[0] || 0, membrane: sums.indexOf(Math.max(...sums)) };
    }
  }

  /** Count the answer to one more digit.
   *  @param {Lab.Tally} tally
   *  @param {Lab.Answer} answer
   *  @param {number} label */
  function count(tally, answer, label) {
    tally.spike += Number(answer.spike === label);
    tally.membrane += Number(answer.membrane === label);
    tally.exact += Number(exact(answer, label));
  }

  /** Whether the output of the right digit fires, and no other.
   *  @param {Lab.Answer} answer
   *  @param {number} [label] */
  const exact = (answer, label) => answer.spikes.length === 1 && answer.spikes[0] === label;

  return { Network, count, exact };
})();

window.SBP = Object.assign(window.SBP || {}, sbpNetwork);
