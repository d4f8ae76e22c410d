"""The circuit on NEST, a simulator of large networks of spiking neurons.

Its iaf_psc_delta is made memoryless: with a time constant of 2**-10 ms its propagator underflows
to exactly 0, and with a capacitance of the same number 1 pA of bias is 1 mV.  All numbers are
whole, so "above 1024" is a threshold of 1024.5.  NEST has no such learning rule: it is applied
from its own spikes, between its steps, one step later, when the spikes have been delivered.
"""

import math

import nest
import numpy as np
from case import given

TAU = 2.0**-10  # ms
LAG = 2  # a spike of step s has the time s + LAG: generators begin at 1 ms
assert math.exp(-1 / TAU) == 0.0

case = given()
case.memoryless()
nest.set_verbosity("M_ERROR")
nest.ResetKernel()
nest.resolution = 1.0

groups = {}
for p in case.populations:
    model = {
        "E_L": 0.0, "V_m": 0.0, "V_reset": 0.0, "tau_m": TAU, "C_m": TAU, "I_e": p.bias / 64,
        "V_th": p.threshold / 64 + 0.5, "t_ref": float(p.refractory - 1),
    }  # fmt: skip
    groups[p.name] = nest.Create("iaf_psc_delta", p.size, model)
for source in case.sources:
    groups[source.name] = nest.Create("spike_generator", source.size)
    for line in range(source.size):
        steps = np.array([-1])
        if source.phase >= 0:
            steps = np.flatnonzero(case.external[source.name][:, line])
        groups[source.name][line].spike_times = (steps + float(LAG)).tolist()

weights = {name: matrix.copy() for name, matrix in case.start.items()}
for p in case.projections:
    pattern = "one_to_one" if p.matrix < 0 and p.connect == 0 else "all_to_all"
    weight = weights[p.name].astype(float) if p.matrix >= 0 else float(p.mantissa)
    synapse = {
        "synapse_model": "static_synapse",
        "weight": weight * 2.0**p.exponent,
        "delay": 1.0 + p.delay,
    }
    nest.Connect(groups[p.pre], groups[p.post], pattern, synapse)
recorder = nest.Create("spike_recorder")
number = {}
for p in case.populations:
    nest.Connect(groups[p.name], recorder)
    for k, node in enumerate(groups[p.name].tolist()):
        number[node] = case.first[p.name] + k

spikes = np.zeros((case.steps, case.neurons), bool)
seen = 0


def collect():
    """Enter what was recorded since the last call."""
    global seen
    events = recorder.get("events")
    for time, node in zip(events["times"][seen:], events["senders"][seen:], strict=True):
        step = round(time) - LAG
        if 0 <= step < case.steps:
            spikes[step, number[node]] = True
    seen = len(events["times"])


nest.Prepare()
nest.Run(float(LAG - 1))
held = []
for step in range(case.steps):
    nest.Run(1.0)  # delivers the spikes of the step before, with the weights as they stand
    for p, pre, post in held:
        first = groups[p.pre][0].global_id, groups[p.post][0].global_id
        found = nest.GetConnections(groups[p.pre][pre.tolist()], groups[p.post][post.tolist()])
        places = [
            (target - first[1], origin - first[0])
            for origin, target in zip(np.atleast_1d(found.source), np.atleast_1d(found.target),
                                      strict=True)
        ]  # fmt: skip
        new = [float(weights[p.name][place]) * 2.0**p.exponent for place in places]
        found.weight = new if len(new) > 1 else new[0]
    collect()
    held = case.learn(spikes[step], weights, step)
nest.Run(1.0)
nest.Cleanup()
case.report(spikes, weights, "told", "nest-simulator", "numpy")
