# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The circuit on Lava
#
# So far everything ran on [engines](../book/notation.md#term-engine) of our own. Why
# should anybody believe them? On this page the same programs run on **Lava**, Intel's
# framework and the way to a Loihi board, with Lava's own simulation of the chip's
# neurons, synapses and learning, and every spike and weight is compared.
#
# **You will**
# - run the gating chain and the full circuit as a network of Lava processes,
# - compare them with the reference engine, spike for spike, and see what a difference
#   would look like,
# - run a circuit inside a single Lava process, and know why that is no evidence.
#
# **You need** [the full circuit](05_full_circuit.ipynb), and Python 3.10 with `pip
# install ".[lava]"`: Lava's last release runs on no other. **Reading time:** 10
# minutes. **Running time:** about a minute.

# %%
import numpy as np

from sbp import engines
from sbp.app.exercises import check
from sbp.app.notebook import show
from sbp.checks.difference import first_difference, first_weight_difference
from sbp.circuits import gating_chain, learning_circuit
from sbp.engines import compiled, reference
from sbp.errors import MissingDependency
from sbp.learn import data
from sbp.learn.training import initial_weights, one_hot
from sbp.plots import raster
from sbp.program import lower
from sbp.run import ALL_SPIKES

# %% quick={"FUSED_SAMPLES": 50, "SAMPLES": 4} tags=["parameters"]
SAMPLES = 20  # 1 to 20: digits through the network of Lava processes
FUSED_SAMPLES = 500  # 1 to 1415: digits through the single process
SEED = 0  # 0 to 9: the random start

# %%
assert engines.available()["lava"].startswith("ready"), engines.available()["lava"]

# %% [markdown]
# ## A program becomes a process graph
#
# In Lava everything is a *process* with ports, and connected processes run side by
# side. The layout `network` makes one stock process of each
# [population](../book/notation.md#term-population) (`LIF`), one of each
# [projection](../book/notation.md#term-projection) (`Dense`, `Sparse`, `DelayDense`,
# `LearningDense`), and a `RingBuffer` for what comes from outside. First the chain of
# [page 2](02_gating_chain.ipynb):

# %%
chain = lower(gating_chain(size=25, stages=4))
smile = np.array(
    [0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 1, 0]
)
stimulus = {"input": smile.reshape(1, -1)}

ours = reference.run(chain, chain.state(), stimulus, record=ALL_SPIKES)
with engines.session("lava", chain, chain.state(), layout="network") as session:
    lava = session.run(stimulus, record=ALL_SPIKES)

show(
    raster(lava, title="The gating chain, as Lava ran it"),
    "The same picture as on page 2, drawn from the spikes that Lava's processes sent.",
)
assert first_difference(ours.spikes, lava.spikes, chain.period) is None

# %% [markdown]
# `first_difference` compares every neuron in every step and returns the earliest place
# where two runs differ, or `None`. To be sure that it would see something, we falsify
# one spike:

# %%
altered = {name: train.copy() for name, train in lava.spikes.items()}
altered["s3"][3, 7] ^= True
found = first_difference(ours.spikes, altered, chain.period)
print(found)
assert (found.population, found.step, found.index) == ("s3", 3, (7,))

# %% [markdown]
# ## The full circuit, learning
#
# Now the learning circuit with 24 hidden neurons, on real digits of 8 x 8 pixels.
# Lava's plastic process has no reward signal of the kind we need, but a third factor
# $y_1$ that does the same: $\Delta w = 4\,y_0 x_0 y_1 - 2\,y_0 x_0$. With
# `learning="stock"` Lava's own model of that process runs; the default is an exact
# model of ours in the same graph, since Lava's rounds at random when a weight reaches
# 254. No weight gets there in these few digits.

# %%
digits = data.load("digits")
sizes = (64, 24, 10)
program, weights = lower(learning_circuit(sizes)), initial_weights(sizes, SEED)
x, t = digits.x_train, one_hot(digits.y_train, 10)
few = {"input": x[:SAMPLES], "target": t[:SAMPLES]}

with engines.session(
    "lava", program, program.state(weights), layout="network", learning="stock"
) as session:
    print(session.n_processes, "processes of the operating system")
    lava = session.run(few, record=ALL_SPIKES)
ours = reference.run(program, program.state(weights), few, record=ALL_SPIKES)
assert len(program.populations) + len(program.projections) > 100

# %%
steps = SAMPLES * program.period
spikes = sum(int(train.sum()) for train in lava.spikes.values())
changed = sum(int((lava.weights[n] != weights[n]).sum()) for n in weights)
difference = first_difference(ours.spikes, lava.spikes, program.period)
weight_difference = first_weight_difference(
    ours.weights, lava.weights, steps, program.period
)
print(f"{spikes:,} spikes in {steps} steps; first difference: {difference}")
print(f"{changed:,} weights changed by learning; first difference: {weight_difference}")
assert difference is None
assert weight_difference is None
if SAMPLES >= 4:  # a digit or two may have nothing to teach
    assert changed > 0

# %% [markdown]
# Not one spike and not one weight differs. And Lava can be asked the other way round:
# every run on it counts where Lava's neurons departed from what the chip would have
# done (Lava clips a register where the chip wraps, and its neurons have no refractory
# time).

# %%
print(lava.departures)
assert not any(lava.departures.values())

# %%
errors = sum(
    lava.spikes[name].reshape(SAMPLES, -1).any(axis=1).astype(int)
    for name in ("d+", "d-")
)
best = int(errors.argmax())  # a digit with something to learn
show(
    raster(
        lava,
        samples=slice(best, best + 1),
        title="One digit through the learning circuit, on Lava",
    ),
    "All spikes of one sample as Lava ran it, the same circuit as on page 5 at a "
    "smaller size.",
)

# %% [markdown]
# ## In one process
#
# A network of over a hundred communicating processes is slow. For long runs, or to use
# the circuit as a part of a larger Lava application, the layout `fused` is **one** Lava
# process whose model steps the kernels of our compiled engine. Much faster than the
# graph, and handy, and *no evidence of anything*: it is our own arithmetic in Lava's
# clothes. ([Lava and the chip](../book/lava.md) says how fast each layout is.)

# %%
with engines.session(
    "lava", program, program.state(weights), layout="fused"
) as session:
    many = {"input": x[:FUSED_SAMPLES], "target": t[:FUSED_SAMPLES]}
    fused = session.run(many)
    print(session.n_processes, "processes, Lava's own included")

ours = compiled.run(program, program.state(weights), many)
assert first_weight_difference(ours.weights, fused.weights, 0, program.period) is None

# %% [markdown]
# ## On a board?
#
# `engines.session("lava", ..., target="loihi2")` builds the same graph with Lava's
# hardware configuration and then needs Intel's extension `lava-loihi` and a board. We
# have neither:

# %%
try:
    engines.session("lava", chain, chain.state(), layout="network", target="loihi2")
except MissingDependency as error:
    print(error)

# %% [markdown]
# **No part of this was run on a chip by us.** [Lava and the chip](../book/lava.md)
# lists what would still have to be found out on a board.
#
# ## Exercises
#
# 1. **Another seed.** Does the equality hold for other weights and other digits? Try
#    one.
# 2. **A neuron without rest.** Lava's `LIF` has no refractory time. Why does the
#    circuit not notice? Look into the [phase](../book/notation.md#term-phase) table for
#    a population that fires in two consecutive steps.

# %% tags=["answer"]
# Exercise 1: a pair of runs, (ours, lava)
answer = ...
check("equal", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 1
# The digits from number 100 on, with another start.
other = initial_weights(sizes, SEED + 1)
later = {"input": x[100:103], "target": t[100:103]}
with engines.session(
    "lava", program, program.state(other), layout="network"
) as session:
    lava = session.run(later, record=ALL_SPIKES)
ours = reference.run(program, program.state(other), later, record=ALL_SPIKES)
assert first_difference(ours.spikes, lava.spikes, program.period) is None
assert first_weight_difference(ours.weights, lava.weights, 36, program.period) is None
verdict = check("equal", (ours, lava))
print(verdict)
assert verdict

# %% tags=["answer"]
# Exercise 2: the name of a population
answer = ...
check("rest", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 2
# The ring opens no relay in two steps in a row, so a dead step never falls on an
# open gate.  The one population that does fire twice in a row, hT, is made of
# neurons without a dead step.
phases = program.circuit.phases
twice = [
    p.name
    for p in program.circuit.populations
    if any(
        p.name in phases[k].fires and p.name in phases[(k + 1) % 12].fires
        for k in range(12)
    )
]
print(twice)
assert twice == ["hT"]
assert program.circuit.population("hT").neuron.refractory == 1
verdict = check("rest", "hT")
print(verdict)
assert verdict

# %% [markdown]
# ## Summary
#
# - On Lava's stock processes the circuit gives the same spikes and weights as on ours,
#   all of them.
# - That is evidence from simulation: two independent programs agree. It is not a run on
#   a chip.
# - The layout `fused` is for use, not for evidence.
#
# Next: [what breaks it](08_what_breaks_it.ipynb).
