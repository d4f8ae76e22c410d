"""The circuit on SANA-FE, a simulator of neuromorphic chips with the published costs of Loihi.

Usage: ``python run_sanafe.py PROGRAM TRACE ANSWER.json PLACEMENT.json``.  PLACEMENT says the core
of every neuron: population -> list.  Its weights are constants, so PROGRAM must have no plastic
synapses.

Its description of Loihi puts the buffer between two time steps before the soma, where a delay
would be lost: here it is in the dendrite, inside the unit, whose model has delays.  A source's
spike takes a step to arrive, so step s of the trace is its step s + 1.
"""

import json
import sys
from pathlib import Path

import numpy as np
import sanafe
from case import given

SENSES = {"<": "_lt", ">": "_gt", "+": "_plus", "-": "_minus"}  # its names hold letters only
INPUT_CORES = 126, 127
PER_CORE = 1024

case = given()
case.memoryless()
if any(p.plastic for p in case.projections):
    sys.exit("SANA-FE does not model plasticity: write the program with weights that are held")
placement = json.loads(Path(sys.argv[4]).read_text("utf-8"))


def plain(name):
    """A name of letters, digits and underscores."""
    return "".join(SENSES.get(letter, letter) for letter in name)


stock = Path(sanafe.__file__).parent / "examples" / "loihi.yaml"
text = stock.read_text("utf-8")
for old, new in (
    ("buffer_position: soma", "buffer_position: dendrite"),
    ("buffer_inside_unit: false", "buffer_inside_unit: true"),
):
    if old not in text:
        sys.exit(f"{stock} no longer says {old!r}")
    text = text.replace(old, new)
own = Path(sys.argv[3]).with_suffix(".yaml")
own.write_text(text, "utf-8")
chip = sanafe.load_arch(str(own))
cores = chip.cores()

network, groups, first = sanafe.Network(), {}, {}
for p in case.populations:
    neuron = {
        "threshold": p.threshold / 64, "reset": 0.0, "leak_decay": 0.0, "bias": p.bias / 64,
        "refractory_delay": p.refractory,
    }  # fmt: skip
    groups[p.name] = network.create_neuron_group(
        plain(p.name), p.size, neuron, default_synapse_hw_name="loihi_dense_synapse",
        default_dendrite_hw_name="loihi_dendrites_delay", soma_hw_name="loihi_lif",
        log_spikes=True,
    )  # fmt: skip
    first[plain(p.name)] = p.start
    for k, core in enumerate(placement[p.name]):
        groups[p.name][k].map_to_core(cores[core])
used = 0
for source in case.sources:
    train = np.zeros((case.steps + 1, source.size), bool)
    if source.phase < 0:
        train[0] = True
    else:
        train[1:] = case.external[source.name]
    group = network.create_neuron_group(
        "source_" + plain(source.name), source.size, {},
        default_synapse_hw_name="loihi_dense_synapse", default_dendrite_hw_name="loihi_dendrites",
    )  # fmt: skip
    groups[source.name] = group
    for line in range(source.size):
        core, unit = divmod(used, PER_CORE)
        group[line].set_attributes(
            soma_hw_name=f"loihi_inputs[{unit}]",
            model_attributes={"spikes": train[:, line].tolist()},
        )
        group[line].map_to_core(cores[INPUT_CORES[core]])
        used += 1
for p in case.projections:
    ends = groups[p.pre], groups[p.post]
    n_pre, n_post = case.size[p.pre], case.size[p.post]
    if p.matrix >= 0:
        weights = case.start[p.name] * 2.0**p.exponent
        ends[0].connect_neurons_dense(
            ends[1], {"weight": weights.T.ravel().tolist(), "delay": [p.delay] * weights.size}
        )
        continue
    pairs = [(i, i) for i in range(n_pre)]
    if p.connect:
        pairs = [(i, j) for i in range(n_pre) for j in range(n_post)]
    each = {
        "weight": [p.mantissa * 2.0**p.exponent] * len(pairs),
        "delay": [p.delay] * len(pairs),
    }
    ends[0].connect_neurons_sparse(ends[1], each, pairs)

machine = sanafe.SpikingChip(chip)
machine.load(network)
KINDS = "synapse", "dendrite", "soma", "network"
spikes = np.zeros((case.steps, case.neurons), bool)
time, energy = np.zeros(case.steps), np.zeros((case.steps, len(KINDS)))
for step in range(case.steps + 1):
    result = machine.sim(1, timing_model="detailed", spike_trace=True, processing_threads=1)
    if step == 0:
        continue  # the sources only
    time[step - 1] = result["sim_time"]
    energy[step - 1] = [result["energy"].get(kind, 0.0) for kind in KINDS]
    for address in result["spike_trace"][0]:
        if address.group_name in first:
            spikes[step - 1, first[address.group_name] + address.neuron_offset] = True

case.report(spikes, case.start, "-", "sanafe", "numpy")
answer = json.loads(Path(sys.argv[3]).read_text("utf-8"))
samples = energy.reshape(-1, case.period, len(KINDS))
times = time.reshape(-1, case.period)
answer["energy"] = {
    kind: (1e6 * samples[:, :, k].mean(axis=0)).tolist() for k, kind in enumerate(KINDS)
}
answer["energy_sd"] = float(1e6 * samples.sum(axis=(1, 2)).std(ddof=1))
answer["time"] = (1e6 * times.mean(axis=0)).tolist()
answer["time_sd"] = float(1e6 * times.sum(axis=1).std(ddof=1))
Path(sys.argv[3]).write_text(json.dumps(answer), "utf-8")
