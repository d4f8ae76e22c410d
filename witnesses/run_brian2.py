"""The whole circuit in the words of Brian 2: integers only, 24-bit registers, its own learning.

A step is: the spikes of the step before reach their synapses and are read with the weights that
stand there; then those synapses learn; then the neurons are updated.  A generator's spike acts in
the step in which it is given, so its times are one step later than in the trace.
"""

import brian2 as b
import numpy as np
from case import given

case = given()
case.memoryless()
b.defaultclock.dt = 1 * b.ms
b.prefs.codegen.target = "numpy"

neurons = b.NeuronGroup(
    case.neurons,
    """arriving : integer
    u : integer
    v : integer
    dead : integer
    fires : boolean
    bias : integer (constant)
    theta : integer (constant)
    refractory_delay : integer (constant)""",
    threshold="fires",
    reset="",
    name="neurons",
)
neurons.run_regularly(
    """u = ((arriving + 8388608) % 16777216) - 8388608
    arriving = 0
    v = int(dead == 0) * (((u + bias + 8388608) % 16777216) - 8388608)
    fires = (dead == 0) and (v > theta)
    v = v * int(not fires)
    dead = int(fires) * (refractory_delay - 1) + int(not fires) * (dead - 1) * int(dead > 0)""",
    when="groups",
    name="chip_step",
)
groups = {}
for p in case.populations:
    part = neurons[p.start : p.start + p.size]
    part.bias, part.theta, part.refractory_delay = p.bias, p.threshold, p.refractory
    groups[p.name] = part
for k, source in enumerate(case.sources):
    if source.phase < 0:
        step, line = np.full(source.size, -1), np.arange(source.size)
    else:
        step, line = np.nonzero(case.external[source.name])
    groups[source.name] = b.SpikeGeneratorGroup(
        source.size, line, (step + 1) * b.ms, when="start", name=f"source_{k}"
    )

changes = [float(case.change(step)) for step in range(case.steps)]
change = b.TimedArray(np.array([*changes, 0.0]), dt=1 * b.ms)
parts, matrices = [neurons], {}
for k, p in enumerate(case.projections):
    unit = int(64 * 2**p.exponent)
    ends = groups[p.pre], groups[p.post]
    if p.matrix < 0:
        synapses = b.Synapses(
            *ends, on_pre=f"arriving_post += {p.mantissa * unit}", delay=p.delay * b.ms,
            name=f"projection_{k}",
        )  # fmt: skip
        synapses.connect(j="i") if p.connect == 0 else synapses.connect()
    else:
        variables = "w : integer\nx0 : integer\ny0 : integer" if p.plastic else "w : integer"
        read = f"arriving_post += w * {unit}" + ("\nx0 = 1" if p.plastic else "")
        back = {"back": "y0 = 1"} if p.plastic else None
        synapses = b.Synapses(
            *ends, variables, on_pre={"read": read}, on_post=back,
            delay={"read": p.delay * b.ms}, name=f"projection_{k}",
        )  # fmt: skip
        synapses.connect()
        pre, post = np.array(synapses.i), np.array(synapses.j)
        synapses.w = case.start[p.name][post, pre]
        if p.plastic:
            assert p.delay == 0, "x0 is set when the spike arrives"
            synapses.run_regularly(
                """w = clip(w + x0 * y0 * int(change(t - dt)), -256, 254)
                x0 = 0
                y0 = 0""",
                when="groups", order=-1, name=f"learning_{k}",
            )  # fmt: skip
        matrices[p.name] = synapses, pre, post
    parts.append(synapses)
monitor = b.SpikeMonitor(neurons, when="end")
network = b.Network(*parts, monitor, *(groups[source.name] for source in case.sources))
network.schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]
network.run((case.steps + 1) * b.ms, namespace={"change": change})

spikes = np.zeros((case.steps, case.neurons), bool)
step, neuron = np.round(np.array(monitor.t / b.ms)).astype(int), np.array(monitor.i)
spikes[step[step < case.steps], neuron[step < case.steps]] = True
weights = {}
for name, (synapses, pre, post) in matrices.items():
    weights[name] = np.zeros_like(case.start[name])
    weights[name][post, pre] = np.array(synapses.w)
case.report(spikes, weights, "by itself", "brian2", "numpy")
