"""A second machine, written from the rules alone: neuron by neuron, synapse by synapse.

It shares no line with `sbp.program` or the engines: the circuit is expanded into lists of single
neurons and single synapses, and every step walks over them.  Slow, and meant to be.  Faults can be
built in, to see which traces notice them.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from sbp.spec import MatrixWeight

WRAP = 1 << 24


@dataclass
class Synapses:
    """One entry for each synapse of the circuit."""

    pre: np.ndarray
    post: np.ndarray
    mantissa: np.ndarray
    scale: np.ndarray  # register units that one mantissa unit brings
    delay: np.ndarray
    plastic: np.ndarray
    matrix: list  # (projection number, parameter, transpose, negate, first synapse, shape)


def expand(circuit, weights):
    """Number the neurons and the lines of all sources, and write every synapse down."""
    first, count = {}, 0
    for part in (*circuit.populations, *circuit.sources):
        first[part.name] = count
        count += part.size
    sizes = {part.name: part.size for part in (*circuit.populations, *circuit.sources)}
    rows, matrices = [], []
    for number, projection in enumerate(circuit.projections):
        n_pre, n_post = sizes[projection.source], sizes[projection.target]
        start, weight = len(rows), projection.weight
        for j in range(n_post):
            for i in range(n_pre):
                if isinstance(weight, MatrixWeight):
                    given = weights[weight.parameter]
                    value = int(given[i][j] if weight.transpose else given[j][i])
                    value = -value if weight.negate else value
                    value = min(max(value, -256), 254)
                    scale, plastic = 2.0 ** (6 + weight.exponent), weight.plastic
                elif projection.connect == "one-to-one" and i != j:
                    continue
                else:
                    value, scale, plastic = weight, 64, False
                rows.append((first[projection.source] + i, first[projection.target] + j,
                             value, int(scale), projection.delay, plastic))  # fmt: skip
        if isinstance(weight, MatrixWeight):
            matrices.append((number, weight, start, (n_post, n_pre)))
    columns = np.array(rows, np.int64).reshape(-1, 6).T
    return first, sizes, Synapses(*columns[:5], columns[5].astype(bool), matrices)


def decayed(value, decay):
    return (-1 if value < 0 else 1) * (abs(value) * (4096 - decay) // 4096)


def wrapped(value):
    return (value + WRAP // 2) % WRAP - WRAP // 2


def simulate(circuit, weights, stimulus, steps, *, learn_first=False, tied_copies=False):
    """Run `circuit` for `steps` steps from rest.

    Faults on request: `learn_first` lets a synapse learn before it is read; `tied_copies` holds
    every copy of a matrix at exactly what its first copy says, unsaturated.

    Returns the spikes of every population and source but the kick, (steps, size), and the weights
    of every projection with a matrix, by its number.
    """
    first, sizes, synapses = expand(circuit, weights)
    neurons = [p.neuron for p in circuit.populations for _ in range(p.size)]
    total = sum(sizes.values())
    u, v, dead = [0] * len(neurons), [0] * len(neurons), [0] * len(neurons)
    arriving = defaultdict(lambda: np.zeros(len(neurons), np.int64))
    outgoing = [np.flatnonzero(synapses.pre == i) for i in range(total)]
    plastic = [indices[synapses.plastic[indices]] for indices in outgoing]

    def send(step, fired):
        used = [outgoing[i] for i in np.flatnonzero(fired)]
        used = np.concatenate([*used, np.empty(0, np.int64)]).astype(np.int64)
        for delay in np.unique(synapses.delay[used]):
            s = used[synapses.delay[used] == delay]
            brought = synapses.mantissa[s] * synapses.scale[s]
            np.add.at(arriving[step + 1 + delay], synapses.post[s], brought)

    def learn(step, fired):
        phase = circuit.phases[step % circuit.period]
        change = circuit.rule.with_reward if phase.reward else circuit.rule.without
        for i in np.flatnonzero(fired):
            hit = plastic[i][fired[synapses.post[plastic[i]]]]
            synapses.mantissa[hit] = np.clip(synapses.mantissa[hit] + change, -256, 254)
        if tied_copies:
            tie()

    def tie():
        leaders = {}
        for _, weight, start, shape in synapses.matrix:
            held = synapses.mantissa[start : start + shape[0] * shape[1]].reshape(shape)
            if weight.parameter not in leaders and not (weight.negate or weight.transpose):
                leaders[weight.parameter] = held
        for _, weight, start, shape in synapses.matrix:
            leader = leaders[weight.parameter]
            leader = leader.T if weight.transpose else leader
            leader = -leader if weight.negate else leader
            synapses.mantissa[start : start + shape[0] * shape[1]] = leader.ravel()

    if tied_copies:
        tie()
    kick = np.zeros(total, bool)
    for source in circuit.sources:
        if source.phase is None:
            kick[first[source.name] : first[source.name] + source.size] = True
    send(-1, kick)

    rows = []
    for step in range(steps):
        sample, p = divmod(step, circuit.period)
        came = arriving.pop(step, np.zeros(len(neurons), np.int64)).tolist()
        fired = np.zeros(total, bool)
        for n, neuron in enumerate(neurons):
            u[n] = wrapped(decayed(u[n], neuron.du) + came[n])
            if dead[n]:
                dead[n], v[n] = dead[n] - 1, 0
                continue
            v[n] = wrapped(decayed(v[n], neuron.dv) + u[n] + neuron.bias)
            if v[n] > 64 * neuron.threshold:
                fired[n], v[n], dead[n] = True, 0, neuron.refractory - 1
        for source in circuit.sources:
            lines = slice(first[source.name], first[source.name] + source.size)
            if source.phase == p and source.name in stimulus:
                fired[lines] = stimulus[source.name][sample] != 0
        for act in (learn, send) if learn_first else (send, learn):
            act(step, fired)
        rows.append(fired)
    rows = np.array(rows).reshape(steps, total)
    spikes = {name: rows[:, start : start + sizes[name]] for name, start in first.items()}
    for source in circuit.sources:
        if source.phase is None:
            del spikes[source.name]
    finals = {
        number: synapses.mantissa[start : start + shape[0] * shape[1]].reshape(shape)
        for number, _, start, shape in synapses.matrix
    }
    return spikes, finals
