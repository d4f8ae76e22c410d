# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # As deep as you like
#
# The paper's circuit has one hidden layer. Can spikes carry the error through two, or
# through five? They can, and one change of the timetable is enough. This page finds the
# change, builds the circuit for any number of layers, and checks it against the
# [algebra](../book/notation.md#term-algebra), weight for weight. The circuit is ours,
# not the paper's: nothing like it was published.
#
# **You will**
# - see why the paper's order of [phases](../book/notation.md#term-phase) ends at one
#   hidden layer,
# - make both signs of the hidden error at once, and watch them go down layer by layer,
# - assert that circuit and backpropagation are equal at any depth,
# - find out what depth did not buy.
#
# **You need** [the full circuit](05_full_circuit.ipynb). **Reading time:** 10 minutes.
# **Running time:** about ten seconds.

# %%
import numpy as np

import sbp
from sbp import algebra
from sbp.app.exercises import check
from sbp.app.notebook import show
from sbp.checks.domain import limits
from sbp.circuits import deep_circuit
from sbp.engines import compiled
from sbp.learn.data import load
from sbp.learn.training import one_hot
from sbp.plots import raster
from sbp.run import ALL_SPIKES
from sbp.weights import Weights

# %% quick={"SAMPLES": 20} tags=["parameters"]
HIDDEN = (48, 32)  # neurons of the hidden layers; one to eleven of them
SAMPLES = 200  # 1 to 1000: digits that are learned
SEED = 1  # 0 to 9999: the random start

# %% [markdown]
# ## Where the paper's order ends
#
# In the paper's circuit the output error goes back with both signs at once: `o` holds
# $d_+$ while `o-` holds $d_-$, so that `hT` can see $W_2^T(d_+ - d_-)$. What comes
# out at the hidden layer is a sign, and it comes one after the other: first where the
# sum is positive (phase 6), four steps later where it is negative (phase 10).
#
# For one hidden layer that is enough, because nobody below asks. One layer further down
# somebody does: to send the *hidden* error on, both of its signs are needed at the same
# time, as they were at the output.
#
# ## The change
#
# Keep the first sign waiting. The synapse that hands it to the layer delays it by two
# steps, the other sign catches up, and then the layer does what the output did:
#
# Call $A_k$ the step in which $W_k$ begins to learn: for the last layer $A_L = L + 3$,
# and for each layer below four steps later than for the one above. `T` is, for each
# hidden layer, what the paper's `hT` is for its only one.
#
# | step | what happens at layer $k$ |
# |---|---|
# | $A_k$ | layer fires its positive error, partner the negative one: $W_k$ grows |
# | $A_k + 1$ | below, `T` fires where the error sent back is positive |
# | $A_k + 2$ | the two swap signs: $W_k$ shrinks |
# | $A_k + 3$ | below, `T` fires where the error sent back is negative |
# | $A_k + 4$ | both signs have reached layer $k - 1$: the same again, one layer down |
#
# One layer takes five steps in all, one on the way up and four on the way down, and the
# [ring](../book/notation.md#term-ring) two more: $5L + 2$ for $L$ layers of weights.
# For $L = 2$ that is twelve, the paper's number, with its phases in another order.
#
# <div class="sbp-figure" data-figure="deep">On the page of the book, a figure stands
# here in which the timetable grows with the depth.</div>

# %%
digits = load("digits")
sizes = (digits.n_inputs, *HIDDEN, digits.n_classes)
circuit = deep_circuit(sizes)
layers = len(sizes) - 1
assert circuit.period == 5 * layers + 2
print(circuit.summary())

# %% [markdown]
# ## Both signs in the raster
#
# One digit on its way through the circuit. In the first $L + 1$ steps activity goes up,
# layer by layer; in the others the error comes down. Look at a hidden layer and its
# partner with the minus sign: they fire in the same steps, one with the positive error
# and one with the negative, and two steps later the other way round.

# %%
start = Weights.random(sizes, SEED)
program = sbp.lower(circuit)
targets = one_hot(digits.y_train[:SAMPLES], digits.n_classes)
stimulus = {"input": digits.x_train[:SAMPLES], "target": targets}
run = compiled.run(program, program.state(start), stimulus, record=ALL_SPIKES)

errors = run.at_phase("d+", layers + 2).any(axis=1) | run.at_phase(
    "d-", layers + 2
).any(axis=1)
shown = int(np.flatnonzero(errors)[0]) if errors.any() else 0
show(
    raster(run, samples=slice(shown, shown + 1), title="One digit, every layer"),
    f"One sample of {circuit.period} steps. Activity rises through the layers; d+ and "
    "d- are the error, and from there it comes down, in both signs at once.",
)

# %% [markdown]
# ## The same as backpropagation
#
# The algebra of one [sample](../book/notation.md#term-sample), for any depth. Forward,
# $a_k = W_k\,l_{k-1}$ and $l_k = [a_k > 512]$. The output error $d_\pm$ is that of the
# paper. Then every error from the weights of before the sample,
#
# $$
# d_k^{\pm} = [\pm W_{k+1}^T (d_{k+1}^+ - d_{k+1}^-) > 0]\ \text{where}\
# 0 < a_k \le 1024,
# $$
#
# and all weights at once: $W_k \leftarrow W_k + 2\,(d_k^+ - d_k^-)\,l_{k-1}^T$, clipped
# to $-256 \ldots 254$. The circuit holds a second, negated copy of each matrix that it
# sends errors through, and $-256$ has no negative among $-256 \ldots 254$: where a
# weight meets its bound the copy stays two beside it. `algebra.Network` carries that
# copy too, so that the two stay equal there as well.

# %%
network = algebra.Network(start)
network.train(digits.x_train[:SAMPLES], targets)
differing = {
    name: int((network.weights[name] != run.weights[name]).sum()) for name in start
}
changed = {name: int((run.weights[name] != start[name]).sum()) for name in start}
for name in start:
    print(
        f"{name}: {start[name].size:6,} weights, {changed[name]:5,} changed, "
        f"{differing[name]} differ from the algebra"
    )
assert not any(differing.values())  # at every depth, width and seed within the domain
faults = run.faults()
print(faults)
assert faults["coincidences outside the learning phases"] == 0

# %% [markdown]
# Every weight is equal, and no synapse learned in a step in which it should not.
#
# ## How far it holds
#
# `sbp.domain` proves it, without running anything: while the sums $W_k l_{k-1}$ stay
# within a bound, nothing fires outside the timetable, whatever the input.

# %%
found = limits(program)
print("the timetable holds for sums up to", found.table.bound or "any size")
wide = limits(sbp.lower(deep_circuit((400, 400, 400, 10))))
print("and at 400-400-400-10 up to", f"{wide.table.bound:,}: {wide.table.first}")
assert wide.table.bound == 16_824

# %% [markdown]
# 64-48-32-10 is too small for any limit: 64 weights of 256 are 16,384. At
# 400-400-400-10 timetable and learning hold up to 16,824 ($W_3$ up to 17,344), one copy
# less than a closing gate takes, for a shut hidden layer is also reached by the
# replayed copy of its own activity. The paper's circuit keeps its timetable, and learns
# $W_2$ rightly, only up to 9,216, where a relay fires without a gate (nothing shuts `o`
# in phase 8), and $W_1$ up to 17,344.
#
# ## What depth did not buy
#
# What it costs is told fast: five steps a layer, three forward copies of every matrix
# and, but for the first, two that go back. What it buys is in the results. The claims
# [`mnist-depth` and `fashion-mnist-depth`](../results/status.md) have networks of one
# to four hidden layers, at equal width and at an equal number of synapses, with and
# without shifted pictures. Here are output spikes without shifts, the mean of five runs
# and their spread, on MNIST and on Fashion-MNIST:
#
# - 1 hidden layer of 400:
#   95.20 ± 0.34 %<!-- mnist-depth: spike, 1 hidden layer of 400 --> and
#   74.34 ± 3.24 %<!-- fashion-mnist-depth: spike, 1 hidden layer of 400 -->
# - 2 hidden layers of 400:
#   96.27 ± 0.30 %<!-- mnist-depth: spike, 2 hidden layers of 400 --> and
#   72.28 ± 2.28 %<!-- fashion-mnist-depth: spike, 2 hidden layers of 400 -->
# - 3 hidden layers of 400:
#   95.95 ± 0.49 %<!-- mnist-depth: spike, 3 hidden layers of 400 --> and
#   68.46 ± 2.49 %<!-- fashion-mnist-depth: spike, 3 hidden layers of 400 -->
# - 4 hidden layers of 400:
#   93.41 ± 4.81 %<!-- mnist-depth: spike, 4 hidden layers of 400 --> and
#   61.10 ± 5.52 %<!-- fashion-mnist-depth: spike, 4 hidden layers of 400 -->
#
# On MNIST a second layer gains a point (by membrane it gains nothing), and of the five
# runs with four layers one loses ten points while the others stay where they were. On
# Fashion-MNIST every further layer loses. None of these networks has a silent layer. A
# narrow one may (exercise 2): then no error comes back, nothing below learns, and `sbp
# train` says so while it happens.
#
# A sign and a fixed step are all that a weight is told, whatever its depth. That is
# coarse; [what each idealisation costs](../book/meaning.md) was measured one by one.
#
# ## Exercises
#
# 1. **Count.** How many [gates](../book/notation.md#term-gate) has the ring for ten
#    layers of weights, and why can thirteen not be built? (A synapse can hold a spike
#    back for 62 steps at most.)
# 2. **Silence.** Make the hidden layers narrow, `(12, 8, 6)`, and find the layer in
#    which activity ends: the first that fires in fewer than one of twenty samples (or
#    `o`, if none does).

# %% tags=["answer"]
# Exercise 1: a number of gates
answer = ...
check("gates", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 1
# x_mem waits 5 L - 2 steps and a synapse can wait 62: L = 12 is the last.
ten = deep_circuit((4,) * 11)
print(
    "10 layers:",
    ten.period,
    "gates; longest wait:",
    max(p.delay for p in ten.projections),
)
assert ten.period == 52
verdict = check("gates", ten.period)
print(verdict)
assert verdict
try:
    deep_circuit((4,) * 14)
except sbp.SbpError as error:
    print(error)
else:
    raise AssertionError("13 layers would need a delay of 63")

# %% tags=["answer"]
# Exercise 2: the name of the first silent layer, for `(12, 8, 6)`
answer = ...
check("silent", answer, samples=SAMPLES, seed=SEED)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 2
narrow = (digits.n_inputs, 12, 8, 6, digits.n_classes)
silent = sbp.lower(deep_circuit(narrow))
run = compiled.run(
    silent, silent.state(Weights.random(narrow, SEED)), stimulus, record=ALL_SPIKES
)
shares = {
    name: float(run.at_phase(name, k + 1).any(axis=1).mean())
    for k, name in enumerate(("h1", "h2", "h3", "o"), 1)
}
silent = [name for name, share in shares.items() if share < 0.05]
first = (silent or ["o"])[0]
print({name: f"{100 * share:.0f} %" for name, share in shares.items()})
verdict = check("silent", first, samples=SAMPLES, seed=SEED)
print(verdict)
assert verdict

# %% [markdown]
# ## Summary
#
# - To go below a layer, both signs of its error must be there at once: one sign waits
#   two steps on its synapse for the other.
# - With that, spikes compute backpropagation through any number of layers up to twelve,
#   in $5L + 2$ steps, equal to the algebra in every weight.
# - Depth costs steps and synapses. A second hidden layer buys a point on MNIST, by
#   spikes; on Fashion-MNIST every further layer loses some.
