"""The circuit on the emulator of nengo-loihi, which was checked against the chip.

Blocks and compartments are used directly, below the Nengo front end.

* It has no delays: a spike that is to come later runs through extra neurons, one for each step.
* Its learning is another rule: ours is applied from its own spikes, between its steps.  A spike
  of one step is read from its synapse in the next, so a change is held back until then.
* Its register of the current adds 1 to the decay, and it saturates where the chip wraps.
"""

import numpy as np
from case import given
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.builder import Model
from nengo_loihi.emulator import EmulatorInterface
from nengo_loihi.inputs import SpikeInput

case = given()
case.memoryless()
model, blocks, sizes = Model(), {}, {}


def block(label, size, threshold, bias, refractory):
    """A group of memoryless neurons; register units."""
    new = LoihiBlock(size, label=label)
    neurons = new.compartment
    neurons.dtype, neurons.scale_u, neurons.scale_v = np.int32, False, False
    neurons.decay_u = np.full(size, 4095, np.int32)
    neurons.decay_v = np.full(size, 4096, np.int32)
    neurons.vth = np.full(size, threshold, np.int32)
    neurons.bias = np.full(size, bias, np.int32)
    neurons.refract_delay = np.full(size, refractory, np.int32)
    neurons.vmin, neurons.vmax = -(2**23) + 1, 2**23 - 1
    neurons.enable_noise, neurons.noise_exp = np.zeros(size, bool), 7
    model.add_block(new)
    return new


def wire(source, n_pre, target, matrix):
    """Synapses of `matrix` (n_post, n_pre), or one to one of a number; register units."""
    synapse = Synapse(n_pre)
    synapse.format(weight_exp=0)
    if np.ndim(matrix):
        targets = np.arange(len(matrix))[None, :]
        synapse.weights = [matrix[None, :, k].astype(np.int32) for k in range(n_pre)]
        synapse.indices = [targets] * n_pre
    else:
        synapse.weights = [np.array([[matrix]], np.int32) for _ in range(n_pre)]
        synapse.indices = [np.array([[k]]) for k in range(n_pre)]
    target.add_synapse(synapse)
    axon = Axon(n_pre)
    axon.target = synapse
    axon.set_compartment_axon_map(np.arange(n_pre))
    source.add_axon(axon)
    return synapse


def later(name, delay):
    """The sender whose spikes are those of `name`, `delay` steps later."""
    if delay == 0:
        return blocks[name]
    if (name, delay) not in blocks:
        before = later(name, delay - 1)
        extra = block(f"{name} delayed {delay}", sizes[name], 64 * 512, 0, 1)
        wire(before, sizes[name], extra, 64 * 1024)
        blocks[name, delay] = extra
    return blocks[name, delay]


for p in case.populations:
    blocks[p.name], sizes[p.name] = block(p.name, p.size, p.threshold, p.bias, p.refractory), p.size
for source in case.sources:
    blocks[source.name], sizes[source.name] = SpikeInput(source.size), source.size
    model.add_input(blocks[source.name])
    if source.phase < 0:
        blocks[source.name].add_spikes(1, list(range(source.size)))
        continue
    train = case.external[source.name]
    for step in np.flatnonzero(train.any(axis=1)):
        blocks[source.name].add_spikes(int(step) + 2, np.flatnonzero(train[step]).tolist())

weights = {name: matrix.copy() for name, matrix in case.start.items()}
synapses, factor = {}, {}
for p in case.projections:
    unit = 64 * 2**p.exponent
    assert unit == int(unit), p.exponent
    factor[p.name] = int(unit)
    if p.matrix >= 0:
        matrix = weights[p.name] * factor[p.name]
    elif p.connect == 0:
        matrix = p.mantissa * factor[p.name]
    else:
        shape = sizes[p.post], sizes[p.pre]
        matrix = np.full(shape, p.mantissa * factor[p.name])
    synapses[p.name] = wire(later(p.pre, p.delay), sizes[p.pre], blocks[p.post], matrix)

emulator = EmulatorInterface(model, seed=0)
places = emulator.block_info.slices
spikes = np.zeros((case.steps, case.neurons), bool)
held = []
read = emulator.synapses.update_input


def read_then_learn(inputs):
    """What the emulator does with the spikes of the last step, and then their learning."""
    read(inputs)
    for projection, pre, post in held:
        for k in pre:
            row = weights[projection.name][:, k] * factor[projection.name]
            synapses[projection.name].weights[k][0, post] = row[post]
    held.clear()


emulator.synapses.update_input = read_then_learn
emulator.step()  # the kick; step s is its step s + 2
for step in range(case.steps):
    emulator.step()
    fired = emulator.compartment.spiked
    for p in case.populations:
        spikes[step, case.neurons_of(p.name)] = fired[places[blocks[p.name]]]
    held += case.learn(spikes[step], weights, step)
case.report(spikes, weights, "told", "nengo-loihi", "nengo", "numpy")
