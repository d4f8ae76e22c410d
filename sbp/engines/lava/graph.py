"""The layout ``network``: a `Program` as a graph of stock Lava processes.

One LIF process per population, one connection process per projection:

===========================  =========================================================
in the program               in the graph
===========================  =========================================================
population                   LIF (fixed point)
fixed projection, delay 0    Dense
fixed projection, delay > 0  DelayDense
projection with a matrix     Dense, or LearningDense where the learning rule acts on it
source                       RingBuffer (io.source) into the projection
reward                       RingBuffer into ``s_in_y1`` of each LearningDense
recorded spikes              RingBuffer (io.sink) behind every population
===========================  =========================================================

Time.  A spike that a LIF sends in step s is read by a Dense in s and reaches the next LIF in
s + 1; a DelayDense adds its delay.  Pre, post and reward of a LearningDense are those of the same
step, and its weights change after the step's read.

Units.  Lava's activations are weight units: LIF shifts them by 6 bits, and weight mantissas are
scaled by 2**exponent in the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.io import sink, source
from lava.proc.lif.process import LIF
from lava.utils.weightutils import SignMode

from sbp import loihi
from sbp.engines.lava.memory import shared_zeros
from sbp.engines.lava.processes.plastic import increments
from sbp.errors import SpecError
from sbp.program import NO_MATRIX, ONE_TO_ONE, PopulationCode, Program, ProjectionCode, State

#: y1 is a stored trace, and LearningDense decays it at random before the rule reads it; with a
#: time constant this long the probability is 0 in floating point.
NEVER = 2**60


@dataclass
class Graph:
    """The processes of a program, and the memory that the host shares with them.

    Attributes
    ----------
    neurons, synapses, sources : dict of str to process
        By the name of the population, projection or source.
    stimulus : dict of str to ndarray of int32, shape (size, length)
        What each source sends; column ``step % length``.
    spikes : dict of str to ndarray of int32, shape (size, length)
        What each population sent.
    weights : dict of str to ndarray of int32, shape (n_post, n_pre)
        Of every LearningDense.
    u, v : dict of str to ndarray of int32, shape (size,)
        Registers of each population.
    in_memory : dict of process to dict of str to ndarray
        The same arrays by process and name of the variable.
    """

    length: int
    neurons: dict[str, LIF] = field(default_factory=dict)
    synapses: dict[str, Dense] = field(default_factory=dict)
    sources: dict[str, source.RingBuffer] = field(default_factory=dict)
    rewards: dict[int, source.RingBuffer] = field(default_factory=dict)
    sinks: dict[str, sink.RingBuffer] = field(default_factory=dict)
    stimulus: dict[str, np.ndarray] = field(default_factory=dict)
    spikes: dict[str, np.ndarray] = field(default_factory=dict)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    u: dict[str, np.ndarray] = field(default_factory=dict)
    v: dict[str, np.ndarray] = field(default_factory=dict)
    in_memory: dict[AbstractProcess, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def processes(self) -> list[AbstractProcess]:
        """All processes."""
        groups = (self.neurons, self.synapses, self.sources, self.rewards, self.sinks)
        return [process for group in groups for process in group.values()]


def check(program: Program) -> None:
    """Refuse a program that Lava's fixed-point processes cannot hold exactly.

    Raises
    ------
    SpecError
        For a current that never decays (Lava's register adds 1), a neuron that carries its
        membrane potential through a refractory time (Lava's LIF has none), a negative exponent
        (Lava's Dense drops the bits), a delay where the learning rule acts, or a population
        that no projection connects to the others (Lava runs connected graphs).
    """
    for population in program.populations:
        label = f"population {population.name} on Lava"
        if population.du < 1:
            raise SpecError(
                f"{label}: the current decay du is {population.du}",
                allowed=f"1 to {loihi.DECAY_UNIT} (the register of LIF holds du - 1)",
            )
        if population.refractory > 1 and population.dv < loihi.DECAY_UNIT:
            raise SpecError(
                f"{label}: refractory delay {population.refractory} with dv {population.dv}",
                allowed=f"refractory delay 1, or dv {loihi.DECAY_UNIT}",
                do="Lava's LIF has no refractory time; use layout='fused' or another engine",
            )
    for projection in program.projections:
        if projection.exponent < 0:
            raise SpecError(
                f"projection {projection.name} on Lava: the weight exponent is "
                f"{projection.exponent}",
                allowed="0 to 7 (Lava's Dense drops the bits below a whole weight unit)",
            )
        if projection.delay and _learns(program, projection):
            raise SpecError(
                f"projection {projection.name} on Lava: delay {projection.delay}",
                allowed="0 where the learning rule acts (LearningDense has no delay)",
            )

    if apart := _apart(program):
        raise SpecError(
            f"population {apart} on Lava: no projection connects it with "
            f"{program.populations[0].name}",
            allowed="one connected circuit",
        )


def _apart(program: Program) -> str | None:
    """A sender that is not connected with the first population, in whatever direction."""
    reached, before = {0}, 0
    while len(reached) > before:
        before = len(reached)
        for projection in program.projections:
            if {projection.source, projection.target} & reached:
                reached |= {projection.source, projection.target}
    missing = [s.name for i, s in enumerate(program.senders) if i not in reached]
    return missing[0] if missing else None


def _neuron(population: PopulationCode, state: State) -> LIF:
    bias = loihi.bias_mantissa_exponent(population.bias)
    assert bias is not None, "Neuron validates its bias"
    return LIF(
        shape=(population.size,),
        u=state.u[population.neurons],
        v=state.v[population.neurons],
        du=population.du - 1,  # LIF adds 1 to this register, and to dv nothing
        dv=population.dv,
        bias_mant=bias[0],
        bias_exp=bias[1],
        vth=population.threshold // loihi.SCALE,
        name=population.name,
    )


def _sign_mode(weights: np.ndarray) -> SignMode:
    """The chip's format for a matrix of fixed mantissas: 0..255, -255..0, or even."""
    if weights.min() >= 0:
        return SignMode.EXCITATORY
    # -256 is outside the range of INHIBITORY, which Lava would choose, and makes it -255.
    return SignMode.INHIBITORY if weights.min() > loihi.WEIGHT_MIN else SignMode.MIXED


def _learns(program: Program, projection: ProjectionCode) -> bool:
    return bool(projection.plastic and (program.dw_reward or program.dw_otherwise))


def _synapses(program: Program, projection: ProjectionCode, state: State) -> Dense:
    n_pre = program.senders[projection.source].size
    n_post = program.populations[projection.target].size
    options = {"weight_exp": projection.exponent, "name": projection.name}
    if projection.matrix != NO_MATRIX:
        weights = state.weights[projection.name].astype(np.int32)
        options["sign_mode"] = SignMode.MIXED
    else:
        ones = (
            np.eye(n_post, n_pre) if projection.connect == ONE_TO_ONE else np.ones((n_post, n_pre))
        )
        weights = (ones * projection.mantissa).astype(np.int32)
        options["sign_mode"] = _sign_mode(weights)
    if _learns(program, projection):
        return LearningDense(weights=weights, learning_rule=learning_rule(program), **options)
    if projection.delay:
        delays = np.full(weights.shape, projection.delay)
        return DelayDense(weights=weights, delays=delays, **options)
    return Dense(weights=weights, **options)


def learning_rule(program: Program) -> Loihi3FLearningRule:
    """The program's rule in Lava's notation, with y1 in the place of the chip's reward r1.

    ``dw = (with_reward - without) * y0*x0*y1 + without * y0*x0``.  Lava has no trace r1; y1 of a
    three-factor rule is set from outside in every step, and here it is the reward.
    """
    slope = program.dw_reward - program.dw_otherwise
    terms = [f"{slope}*y0*x0*y1"] if slope else []
    if program.dw_otherwise:
        terms.append(f"{program.dw_otherwise}*y0*x0")
    text = " + ".join(terms).replace("+ -", "- ")
    try:
        rule = Loihi3FLearningRule(dw=text, t_epoch=1, rng_seed=1)
        exact = increments(rule) == (program.dw_otherwise, program.dw_reward)
    except ValueError:
        exact = False
    if not exact:
        raise SpecError(
            f"learning rule on Lava: dw = {text}",
            allowed="factors that are a whole number from -8 to 7 times a power of 2",
        )
    rule.y1_tau = NEVER
    return rule


def build(
    program: Program,
    state: State,
    length: int,
    stimulus: Mapping[str, np.ndarray] | None = None,
) -> Graph:
    """All processes of `program`, connected, starting from `state`.

    Parameters
    ----------
    program : Program
    state : State
    length : int
        Steps that sources and recordings hold.
    stimulus : mapping of str to ndarray, shape (length - 1, size), optional
        With it the sources hold this, as on a chip, and there is one step before the first, in
        which the kick is emitted.  Without it the kick is on its way already, and the sources
        are silent until the host writes into their memory.

    Raises
    ------
    SpecError
        As `check`, and for a state that does not fit.
    """
    check(program)
    graph = Graph(length)
    for population in program.populations:
        neuron = graph.neurons[population.name] = _neuron(population, state)
        recorder = sink.RingBuffer(shape=(population.size,), buffer=length)
        neuron.s_out.connect(recorder.a_in)
        graph.sinks[population.name] = recorder
        graph.spikes[population.name] = shared_zeros((population.size, length), np.int32)
        graph.u[population.name] = shared_zeros(population.size, np.int32)
        graph.v[population.name] = shared_zeros(population.size, np.int32)
        graph.in_memory[recorder] = {"data": graph.spikes[population.name]}
        graph.in_memory[neuron] = {
            "u": graph.u[population.name],
            "v": graph.v[population.name],
        }
    for spikes in program.sources:
        data = np.zeros((spikes.size, length), np.int32)
        if stimulus is not None and spikes.phase < 0:
            data[:, 0] = 1
        elif stimulus is not None:
            data[:, 1:] = stimulus[spikes.name].T
        process = source.RingBuffer(data=data)
        graph.sources[spikes.name] = process
        graph.stimulus[spikes.name] = shared_zeros((spikes.size, length), np.int32)
        graph.in_memory[process] = {"data": graph.stimulus[spikes.name]}
    outlets = {
        name: process.s_out for name, process in (*graph.neurons.items(), *graph.sources.items())
    }
    for projection in program.projections:
        target = program.populations[projection.target]
        synapses = graph.synapses[projection.name] = _synapses(program, projection, state)
        outlets[program.senders[projection.source].name].connect(synapses.s_in)
        synapses.a_out.connect(graph.neurons[target.name].a_in)
        if _learns(program, projection):
            graph.neurons[target.name].s_out.connect(synapses.s_in_bap)
            begin = state.step - (stimulus is not None)
            _reward(program, graph, target.size, begin).s_out.connect(synapses.s_in_y1)
            shape = synapses.weights.shape
            graph.weights[projection.name] = shared_zeros(shape, np.int32)
            graph.in_memory[synapses] = {"weights": graph.weights[projection.name]}
    if stimulus is None:
        _put_on_their_way(program, graph, state)
    return graph


def _reward(program: Program, graph: Graph, width: int, first: int) -> source.RingBuffer:
    """The reward of every step for `width` neurons; a RingBuffer repeats, and so do phases."""
    if width not in graph.rewards:
        phases = np.roll(np.array(program.reward, np.int32), -(first % program.period))
        graph.rewards[width] = source.RingBuffer(data=np.tile(phases, (width, 1)))
    return graph.rewards[width]


def _put_on_their_way(program: Program, graph: Graph, state: State) -> None:
    """Start with what `state` has on its way, the kick included.

    Lava keeps arrivals in the connections, a column for each coming step.  Which connection of a
    neuron holds them makes no difference: they add up.
    """
    for number, population in enumerate(program.populations):
        coming = np.stack(
            [state.pending[(state.step + k) % program.n_slots, population.neurons]
             for k in range(program.n_slots)], axis=1,
        )  # fmt: skip
        if not coming.any():
            continue  # always so where no projection leads
        into = [projection for projection in program.projections if projection.target == number]
        longest = max(into, key=lambda projection: projection.delay)
        if coming[:, longest.delay + 1 :].any() or (coming % loihi.SCALE).any():
            raise SpecError(
                f"state: what is on its way to {population.name} does not fit its projections",
                allowed="whole weight units, arriving within the longest delay",
            )
        units = (coming[:, : longest.delay + 1] // loihi.SCALE).astype(np.int32)
        buffer = graph.synapses[longest.name].a_buff
        buffer.init = units if longest.delay else units[:, 0]
