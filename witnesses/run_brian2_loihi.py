"""The circuit on brian2_loihi, an emulator that its authors checked against the chip.

Its neurons, synapses, delays and its learning engine are its own.  Three things need a way round:

* the reward r1 is refused as a factor of a rule, and nothing else that it takes can stand in;
  u9, a factor of its own that this rule does not use, is defined anew as the reward;
* x0 and y0, the spikes of the step, exist only where traces do, so x1 and y1 are declared and
  not used;
* neurons have no bias: a generator that spikes in every step gives it.

Its step s + 1 sees the spikes of step s, before and behind a synapse alike.
"""

import re

import brian2
import numpy as np
from brian2_loihi import (
    LoihiNetwork,
    LoihiNeuronGroup,
    LoihiSpikeGeneratorGroup,
    LoihiSpikeMonitor,
    LoihiSynapses,
)
from case import given

RULE = "{slope}*u9*y0*x0 - {without}*y0*x0"
EXCITATORY, INHIBITORY, MIXED = 2, 3, 1

case = given()
brian2.prefs.codegen.target = "numpy"
otherwise, reward = case.dw
phases = np.resize(np.array(case.reward, float), case.steps)
signal = brian2.TimedArray(np.concatenate([[0], phases, [0]]), dt=1 * brian2.ms)


def plastic(*arguments, **options):
    """LoihiSynapses whose u9 is the reward."""
    original = brian2.Synapses.__init__

    def init(self, *a, model="", **k):
        k.setdefault("namespace", {})["reward_signal"] = signal
        model = re.sub(r"u9 = .*", "u9 = reward_signal(t) : 1", model)
        original(self, *a, model=model, **k)

    brian2.Synapses.__init__ = init
    try:
        return LoihiSynapses(*arguments, **options)
    finally:
        brian2.Synapses.__init__ = original


def fixed(source, target, mantissa, exponent, delay, one_to_one):
    """Synapses of one weight."""
    sign = EXCITATORY if mantissa >= 0 else INHIBITORY
    synapses = LoihiSynapses(
        source, target, delay=delay, w_exp=exponent, sign_mode=sign, num_weight_bits=8
    )
    synapses.connect(j="i") if one_to_one else synapses.connect()
    synapses.w = np.full(len(synapses), mantissa, int)
    return synapses


groups, monitors, parts, matrices = {}, {}, [], {}
always = LoihiSpikeGeneratorGroup(1, np.zeros(case.steps, int), np.arange(case.steps))
parts.append(always)
for population in case.populations:
    group = LoihiNeuronGroup(
        population.size,
        refractory=population.refractory,
        threshold_v_mant=population.threshold // 64,
        decay_v=population.dv,
        decay_I=population.du,
    )
    groups[population.name], monitors[population.name] = group, LoihiSpikeMonitor(group)
    parts += [group, monitors[population.name]]
    if population.bias:
        mantissa, rest = divmod(population.bias // 64, 64)
        assert rest == 0, population.bias
        parts.append(fixed(always, group, mantissa, 6, 0, one_to_one=False))
for source in case.sources:
    if source.phase < 0:
        step, line = np.full(source.size, -1), np.arange(source.size)
    else:
        step, line = np.nonzero(case.external[source.name])
    groups[source.name] = LoihiSpikeGeneratorGroup(source.size, line, step + 1)
    parts.append(groups[source.name])
for p in case.projections:
    ends = groups[p.pre], groups[p.post]
    if p.matrix < 0:
        parts.append(fixed(*ends, p.mantissa, p.exponent, p.delay, p.connect == 0))
        continue
    options = {"delay": p.delay, "w_exp": p.exponent, "sign_mode": MIXED, "num_weight_bits": 8}
    if p.plastic:
        rule = RULE.format(slope=reward - otherwise, without=-otherwise)
        traces = {"imp_x1": 1, "tau_x1": 1, "imp_y1": 1, "tau_y1": 1}
        synapses = plastic(*ends, dw=rule, **traces, **options)
    else:
        synapses = LoihiSynapses(*ends, **options)
    synapses.connect()
    pre, post = np.array(synapses.i), np.array(synapses.j)
    synapses.w = case.start[p.name][post, pre]
    matrices[p.name] = synapses, pre, post
    parts.append(synapses)

LoihiNetwork(*parts).run(case.steps + 1)

spikes = np.zeros((case.steps, case.neurons), bool)
for name, monitor in monitors.items():
    step, neuron = np.array(monitor.t), np.array(monitor.i)
    inside = step < case.steps
    spikes[step[inside], case.first[name] + neuron[inside]] = True
weights = {}
for name, (synapses, pre, post) in matrices.items():
    weights[name] = np.zeros_like(case.start[name])
    weights[name][post, pre] = np.round(np.array(synapses.get_states(["w"])["w"])).astype(int)
case.report(spikes, weights, "by itself", "brian2-loihi", "brian2", "numpy")
