/* A network as the two circuits that share its weights: one learns, one only reads. */
(function () {
  "use strict";

  const { Engine, unpackWeights } = window.SBP;
  const MATRIX = (p) => p.matrix >= 0;

  class Network {
    /** `data`: the programs `learning` and `inference`, and packed `weights`. */
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
      this.reset();
    }

    /** Back to the weights that came with the page. */
    reset() {
      const weights = this.trained();
      this.learning = new Engine(this.data.learning, weights);
      this.reader = this._sharing(weights);  // reads at once, unseen
      this.inference = this._sharing(weights);  // reads on the stage
    }

    /** An inference engine that holds the very arrays from which x -> h and h -> o learn. */
    _sharing(weights) {
      const engine = new Engine(this.data.inference, weights);
      this.data.inference.projections.forEach((p, j) => {
        if (MATRIX(p)) engine.rows[j] = this.rows(p.name);
      });
      return engine;
    }

    /** The weights of the learning circuit's projection `name`, a row per source neuron. */
    rows(name) {
      return this.learning.rows[this.data.learning.projections.findIndex((p) => p.name === name)];
    }

    /** The weights that came with the page: {name: Int16Array, row per target}. */
    trained() {
      return unpackWeights(this.data.weights);
    }

    /** Read a pattern: output spikes, sums W2 h, and the answers by spikes and by membrane. */
    read(input, engine = this.reader) {
      for (let p = 0; p < engine.program.period; p++) engine.step({ input });
      return this.answer(engine);
    }

    /** An inference engine with weights of its own; `copy` gives it those of now. */
    apart() {
      const engine = new Engine(this.data.inference, this.trained());
      const copy = () => this.data.inference.projections.forEach((p, j) => {
        if (MATRIX(p)) engine.rows[j].set(this.rows(p.name));
      });
      return { engine, copy };
    }

    /** The same from an inference engine that has just done its last phase. */
    answer(engine) {
      const { start, size } = this.output;
      const sums = Array.from(engine.u.subarray(start, start + size), (u) => u / 64 - this.gate);
      const spikes = engine.which("o");
      // Both ties go to the lowest; without any spike that is 0.
      return { spikes, sums, spike: spikes[0] || 0, membrane: sums.indexOf(Math.max(...sums)) };
    }
  }

  window.SBP.Network = Network;
})();
