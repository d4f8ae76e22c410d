/* The circuit, step by step in exact integers: the same machine as sbp/engines/reference.py.

   new SBP.Engine(program, weights) runs any program that sbp.app.lab exports.  Numbers in typed arrays
   and sums in doubles are exact here: no sum of a step comes near 2**53. */
const sbpEngine = (function () {
  "use strict";

  const NO_MATRIX = -1, ONE_TO_ONE = 0;
  const REGISTER = 1 << 23;  // 24 bits, two's complement
  const WEIGHT_MIN = -256, WEIGHT_MAX = 254;
  const DECAY_UNIT = 4096;

  /** @param {number} x */
  const wrap = (x) => ((x + REGISTER) & 0xffffff) - REGISTER;
  /** @param {number} x
   *  @param {number} rate */
  const decay = (x, rate) =>
    rate === DECAY_UNIT
      ? 0 : Math.sign(x) * Math.floor((Math.abs(x) * (DECAY_UNIT - rate)) / DECAY_UNIT);
  /** @param {number} w */
  const clip = (w) => Math.min(Math.max(w, WEIGHT_MIN), WEIGHT_MAX);

  class Engine {
    /** The network at rest before the first step, the kick on its way.
     *  @param {Lab.Program} program
     *  @param {Lab.Weights} weights */
    constructor(program, weights) {
      this.program = program;
      const { populations, sources, projections, parameters, period } = program;
      this.senders = [...populations, ...sources];
      this.index = new Map(this.senders.map((sender, k) => [sender.name, k]));
      const n = populations.reduce((sum, p) => sum + p.size, 0);
      const slots = 1 + Math.max(0, ...projections.map((p) => p.delay));

      this.lazy = populations.map(
        (p) => p.du === DECAY_UNIT && p.dv === DECAY_UNIT && p.bias <= p.threshold);
      this.now = 0;  // the next step
      this.u = new Int32Array(n);
      this.v = new Int32Array(n);
      this.dead = new Int32Array(n);
      this.pending = Array.from({ length: slots }, () => new Float64Array(n));
      this.arriving = Array.from({ length: slots }, () => new Uint8Array(n));
      this.reached = Array.from({ length: slots }, () => new Uint8Array(populations.length));

      // The spikes of the last step: their indices in active[k][0 .. count[k] - 1].
      this.active = this.senders.map((sender) => new Int32Array(sender.size));
      this.count = new Int32Array(this.senders.length);
      this.fired = this.senders.map((sender) => new Uint8Array(sender.size));

      // A matrix has one row per source neuron: only rows of spiking neurons are read or written.
      this.rows = projections.map((p) => {
        if (p.matrix === NO_MATRIX) return null;
        const { name, n_pre } = parameters[p.matrix];
        const nSource = this.senders[p.source].size, nTarget = populations[p.target].size;
        const rows = new Int16Array(nSource * nTarget), given = weights[name];
        for (let i = 0; i < nSource; i++) {
          for (let j = 0; j < nTarget; j++) {
            const w = p.transpose ? given[i * n_pre + j] : given[j * n_pre + i];
            rows[i * nTarget + j] = clip(p.negate ? -w : w);
          }
        }
        return rows;
      });
      this.total = new Int32Array(Math.max(1, ...populations.map((p) => p.size)));

      /** @param {number} width */
      const zeros = (width) => new Float64Array(period * width);
      const [each, many] = [populations.length, projections.length];
      this.counters = { steps: zeros(1), spikes: zeros(each), active_updates: zeros(each),
        wraps: zeros(each), synaptic_operations: zeros(many), learning_visits: zeros(many),
        synaptic_updates: zeros(many) };

      sources.forEach((source, s) => {
        if (source.phase >= 0) return;
        const k = populations.length + s;
        for (let i = 0; i < source.size; i++) this._spike(k, i);
        projections.forEach((p, j) => {
          if (p.source !== k) return;
          this._send(j, p.delay);
          // One line can reach one neuron only, yet the whole population is marked.
          const { start, size } = populations[p.target];
          this.arriving[p.delay].fill(1, start, start + size);
        });
        this._silence(k);
      });
    }

    /** Phase of the last step, -1 before the first. */
    get phase() {
      return this.now ? (this.now - 1) % this.program.period : -1;
    }

    /** How many neurons of population or source `name` spiked in the last step.
     *  @param {string} name */
    spikes(name) {
      const k = this.index.get(name);
      return k === undefined ? 0 : this.count[k];
    }

    /** Which ones did, in ascending order.
     *  @param {string} name
     *  @returns {number[]} */
    which(name) {
      const k = this.index.get(name);
      return k === undefined ? [] : Array.from(this.active[k].subarray(0, this.count[k]));
    }

    /** One step.  `sample` gives each source the 0/1 bytes that it emits in its phase.
     *  @param {Lab.Sample} [sample] */
    step(sample) {
      const { populations, sources, projections, period } = this.program;
      const p = this.now % period, slots = this.pending.length, slot = this.now % slots;
      const pending = this.pending[slot], arriving = this.arriving[slot];
      const reached = this.reached[slot], counters = this.counters;

      populations.forEach((pop, k) => {
        this._silence(k);
        const at = p * populations.length + k;
        if (reached[k] || !this.lazy[k]) {
          counters.wraps[at] += this._update(k, pop, pending);
          counters.active_updates[at] += this._clear(pop, pending, arriving);
          counters.spikes[at] += this.count[k];
          reached[k] = 0;
        } else {
          this._rest(pop);
        }
      });

      sources.forEach((source, s) => {
        const k = populations.length + s, given = sample && sample[source.name];
        this._silence(k);
        if (source.phase !== p || !given) return;
        for (let i = 0; i < source.size; i++) if (given[i]) this._spike(k, i);
      });

      // (4) spikes go onto their synapses with the weight of this moment
      projections.forEach((projection, j) => {
        if (!this.count[projection.source]) return;
        const reached = this._send(j, (this.now + 1 + projection.delay) % slots);
        if (projection.source < populations.length) {
          counters.synaptic_operations[p * projections.length + j] += reached;
        }
      });

      // (5) learning: every plastic synapse whose two neurons spiked in this step
      const dw = this.program.dw[this.program.reward[p]];
      projections.forEach((projection, j) => {
        const { source, target, plastic } = projection, rows = this.rows[j];
        if (!plastic || !rows || !this.count[source]) return;
        const nTarget = populations[target].size;
        counters.learning_visits[p * projections.length + j] += this.count[source] * nTarget;
        counters.synaptic_updates[p * projections.length + j] +=
          this.count[source] * this.count[target];
        for (let a = 0; a < this.count[source]; a++) {
          const row = this.active[source][a] * nTarget;
          for (let b = 0; b < this.count[target]; b++) {
            const at = row + this.active[target][b];
            rows[at] = clip(rows[at] + dw);
          }
        }
      });
      counters.steps[p]++;
      this.now++;
      return p;
    }

    /** What the last step taught: [{projection, dw, synapses}], one for each plastic projection.
     *  @returns {Lab.Learned[]} */
    learned() {
      const { projections, dw, reward } = this.program;
      return projections
        .filter((p) => p.plastic && this.count[p.source] && this.count[p.target])
        .map((projection) => ({
          projection,
          dw: dw[reward[this.phase]],
          synapses: this.count[projection.source] * this.count[projection.target],
        }));
    }

    /** Each parameter as its first copy holds it: {name: Int16Array, row per target neuron}. */
    weights() {
      const { parameters, projections } = this.program;
      /** @type {Lab.Weights} */
      const found = {};
      projections.forEach((p, j) => {
        const rows = this.rows[j];
        if (!rows || p.transpose || p.negate) return;
        const { name, n_pre, n_post } = parameters[p.matrix];
        if (name in found) return;
        const matrix = (found[name] = new Int16Array(n_post * n_pre));
        for (let i = 0; i < n_pre; i++) {
          for (let k = 0; k < n_post; k++) matrix[k * n_pre + i] = rows[i * n_post + k];
        }
      });
      return found;
    }

    /** Rules 1-3 for one population; returns how many additions left the register.
     *  @param {number} k
     *  @param {Lab.Population} pop
     *  @param {Float64Array} pending */
    _update(k, pop, pending) {
      const { start, size, bias, threshold, refractory, du, dv } = pop;
      const { u, v, dead } = this, active = this.active[k], fired = this.fired[k];
      let wraps = 0, count = 0;
      for (let i = 0, n = start; i < size; i++, n++) {
        // (1) synaptic current, (2) membrane potential outside the refractory time
        const current = decay(u[n], du) + pending[n], held = wrap(current);
        const alive = dead[n] === 0;
        const membrane = alive ? decay(v[n], dv) + held + bias : 0, potential = wrap(membrane);
        if (current !== held) wraps++;
        if (membrane !== potential) wraps++;
        u[n] = held;

        // (3) spike, reset, refractory time
        if (alive && potential > threshold) {
          active[count++] = i;
          fired[i] = 1;
          v[n] = 0;
          dead[n] = refractory - 1;
        } else {
          v[n] = potential;
          if (!alive) dead[n]--;
        }
      }
      this.count[k] = count;
      return wraps;
    }

    /** The same for memoryless neurons that nothing reaches and whose bias cannot fire them.
     *  @param {Lab.Population} pop */
    _rest({ start, size, bias }) {
      const { u, v, dead } = this;
      for (let n = start, end = start + size; n < end; n++) {
        u[n] = 0;
        v[n] = dead[n] ? 0 : bias;
        if (dead[n]) dead[n]--;
      }
    }

    /** Empty a population's part of the delay line; returns how many neurons were reached.
     *  @param {Lab.Population} pop
     *  @param {Float64Array} pending
     *  @param {Uint8Array} arriving */
    _clear({ start, size }, pending, arriving) {
      let arrived = 0;
      for (let n = start, end = start + size; n < end; n++) {
        arrived += arriving[n];
        pending[n] = arriving[n] = 0;
      }
      return arrived;
    }

    /** @param {number} k
     *  @param {number} i */
    _spike(k, i) {
      this.active[k][this.count[k]++] = i;
      this.fired[k][i] = 1;
    }

    /** @param {number} k */
    _silence(k) {
      for (let a = 0; a < this.count[k]; a++) this.fired[k][this.active[k][a]] = 0;
      this.count[k] = 0;
    }

    /** Put the source's spikes onto projection `j`, due in `slot`; returns the synapses read.
     *  @param {number} j
     *  @param {number} slot */
    _send(j, slot) {
      const { source, target, connect, mantissa, exponent } = this.program.projections[j];
      const { start, size } = this.program.populations[target];
      const active = this.active[source], count = this.count[source], rows = this.rows[j];
      const pending = this.pending[slot], arriving = this.arriving[slot];
      const unit = 2 ** (6 + exponent);  // register units of one weight unit
      this.reached[slot][target] = 1;
      if (!rows && connect === ONE_TO_ONE) {
        for (let a = 0; a < count; a++) {
          pending[start + active[a]] += mantissa * unit;
          arriving[start + active[a]] = 1;
        }
        return count;
      }
      if (rows) {
        const total = this.total;
        total.fill(0, 0, size);
        for (let a = 0; a < count; a++) {
          const row = active[a] * size;
          for (let i = 0; i < size; i++) total[i] += rows[row + i];
        }
        for (let i = 0; i < size; i++) pending[start + i] += total[i] * unit;
      } else {
        const each = count * mantissa * unit;
        for (let i = 0; i < size; i++) pending[start + i] += each;
      }
      arriving.fill(1, start, start + size);
      return count * size;
    }
  }

  return { Engine };
})();

window.SBP = Object.assign(window.SBP || {}, sbpEngine);
