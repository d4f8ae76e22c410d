# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The full circuit, phase by phase
#
# Two layers of weights, fifteen [populations](../book/notation.md#term-population), a
# [ring](../book/notation.md#term-ring) of twelve
# [gates](../book/notation.md#term-gate). On this page one digit goes through all of
# them. At every step we compute beside the spikes what backpropagation asks for, and
# assert that the two are the same. At the end you can say why this circuit *is*
# backpropagation, and what about it is not the textbook's.
#
# **You will**
# - write down the [algebra](../book/notation.md#term-algebra) of one step of
#   backpropagation for these neurons,
# - find each of its lines in the spikes of one
#   [sample](../book/notation.md#term-sample),
# - see the weights change, and check all of them.
#
# **You need** the pages before this one. **Reading time:** 15 minutes. **Running
# time:** about ten seconds.

# %%
from dataclasses import replace

import numpy as np

from sbp import algebra
from sbp.app.exercises import check
from sbp.app.notebook import mnist, show
from sbp.circuits import learning_circuit
from sbp.engines import compiled
from sbp.learn.training import initial_weights, one_hot
from sbp.plots import circuit_diagram, phase_diagram, raster, weight_images
from sbp.program import lower
from sbp.run import ALL_SPIKES

# %% quick={"HIDDEN": 100} tags=["parameters"]
HIDDEN = 400  # 20 to 1000: neurons in the hidden layer; the paper has 400
PRACTICE = 1000  # 0 to 3000: samples the network has seen before we look at it
SEED = 0  # 0 to 9999: the random start

# %%
dataset = mnist()

# %% [markdown]
# ## The algebra
#
# A network with one hidden layer answers $h = [a_1 > ½]$ with $a_1 = W_1 x$, then $o =
# [a_2 > ½]$ with $a_2 = W_2 h$ (the bracket is 1 where its content is true, and 1024
# [weight units](../book/notation.md#term-weight-unit) are 1). The loss is $\tfrac12
# \lVert t - o \rVert^2$. For learning, a step is taken for a ramp, with the box $f'$ as
# its slope. Gradient descent, one sample at a time, then is
#
# $$
# \begin{aligned}
# d &= (t - o)\, f'(a_2) & \text{(1) the error of the outputs}\\
# e &= W_2^T d & \text{(2) sent back through the same weights}\\
# \Delta W_2 &= \eta\; d\; h^T & \text{(3)}\\
# \Delta W_1 &= \eta\; \big(e\, f'(a_1)\big)\; x^T & \text{(4)}
# \end{aligned}
# $$
#
# and that is backpropagation: (2) is the step that gave it its name. The circuit
# computes (1), (2) and (3) exactly. In (4) it uses only the *sign* of $e$, since a
# spike is all that a neuron can send: $\Delta W_1 = 2\,\big(\operatorname{sign}(e)\,
# f'(a_1)\big)\, x^T$. And $\eta$ is 2, the smallest step of a weight.
#
# As Python, for one sample. All quantities are whole numbers.


# %%
def backpropagation(W1, W2, x, t):
    """One step by the algebra; everything the circuit should show on the way."""
    a1 = W1 @ x
    h, h_lt, h_gt = a1 > 512, a1 > 0, a1 > 1024
    a2 = W2 @ h.astype(int)
    o, o_lt, o_gt = a2 > 512, a2 > 0, a2 > 1024
    d_plus, d_minus = t & ~o & o_lt, o & ~t & ~o_gt
    d = d_plus.astype(int) - d_minus
    e = W2.T @ d
    hidden = np.sign(e) * (h_lt & ~h_gt)
    dW2, dW1 = 2 * np.outer(d, h), 2 * np.outer(hidden, x)
    return {
        "h": h,
        "h_lt": h_lt,
        "h_gt": h_gt,
        "o": o,
        "d_plus": d_plus,
        "d_minus": d_minus,
        "e": e,
        "hidden": hidden,
        "dW1": dW1,
        "dW2": dW2,
    }


# %% [markdown]
# ## By hand: two inputs, two hidden neurons, one output
#
# Before 400 neurons, five. Both inputs fire, $x = (1, 1)$, and the output should fire,
# $t = 1$. The weights are
#
# $$
# W_1 = \begin{pmatrix} 240 & 250 \\ -250 & 250 \end{pmatrix}, \qquad
# W_2 = \begin{pmatrix} 240 & 200 \end{pmatrix}
# $$
#
# With so few inputs no sum gets past the 512 of a half, so we let each input come over
# two lines: $x$ has four entries, and each column of $W_1$ is there twice.
#
# | | first | second |
# |---|---|---|
# | $a_1 = W_1 x$ | $2\,(240 + 250) = 980$ | $2\,(-250 + 250) = 0$ |
# | $h = [a_1 > 512]$ | 1 | 0 |
# | box, $0 < a_1 \le 1024$ | 1 | 0 |
#
# The output sees only the first hidden neuron: $a_2 = 240$, not above 512, so $o = 0$.
# It should have fired, and $a_2$ lies within its box: $d = t - o = 1$. Then
#
# - (2) $e = W_2^T d = (240, 200)$: both hidden neurons are told "more";
# - (3) $\Delta W_2 = 2\,d\,h^T = (2, 0)$: only the one that fired is changed;
# - (4) $\operatorname{sign}(e) = (1, 1)$, times the box: $(1, 0)$. So $\Delta W_1$ is 2
#   in the first row and 0 in the second.
#
# The second hidden neuron, whose $a_1$ is exactly 0, is not above 0: it learns nothing.
# Afterwards $W_2 = (242, 200)$ and the first row of $W_1$ is $(242, 252)$. That is one
# step of backpropagation, and here is the machine:

# %%
W1 = np.array([[240, 240, 250, 250], [-250, -250, 250, 250]], np.int16)
W2 = np.array([[240, 200]], np.int16)
x, t = np.ones(4, int), np.ones(1, bool)
by_hand = backpropagation(W1.astype(int), W2.astype(int), x, t)
assert by_hand["h"].tolist() == [True, False]
assert by_hand["e"].tolist() == [240, 200]
assert by_hand["hidden"].tolist() == [1, 0]

five = lower(learning_circuit((4, 2, 1)))
start = five.state({"W1": W1, "W2": W2})
run = compiled.run(
    five, start, {"input": [x], "target": [t]}, record=ALL_SPIKES, strict=True
)
assert run.spikes["h"][2].tolist() == [True, False]  # it answers
assert not run.spikes["o"][3].any()
assert run.spikes["d+"][4].tolist() == [True]  # it should have fired
assert run.spikes["hT"][6].tolist() == [True, True]  # e > 0, for both
assert run.spikes["h_box"][6].tolist() == [True, False]
assert run.spikes["h"][7].tolist() == [True, False]  # one of them learns
assert run.weights["W2"].tolist() == [[242, 200]]
assert run.weights["W1"].tolist() == [[242, 242, 252, 252], [-250, -250, 250, 250]]
print("W2:", *run.weights["W2"][0], "  W1:", *run.weights["W1"][0])

# %% [markdown]
# ## A digit that it still gets wrong
#
# The network has practised a little, so that it makes interesting mistakes. We look for
# the next training digit with errors of both signs.

# %%
sizes = (dataset.n_inputs, HIDDEN, dataset.n_classes)
targets = one_hot(dataset.y_train, dataset.n_classes)
network = algebra.Network(initial_weights(sizes, SEED))
network.train(dataset.x_train[:PRACTICE], targets[:PRACTICE])
before = dict(network.weights)
# -256 has no negative among the weights of the chip, -256 ... 254: page 8 goes there.
before["W2"] = np.maximum(before["W2"], -254)
W1, W2 = (before[name].astype(int) for name in ("W1", "W2"))

for sample in range(PRACTICE, len(targets)):
    x, t = dataset.x_train[sample].astype(int), targets[sample].astype(bool)
    expected = backpropagation(W1, W2, x, t)
    if expected["d_plus"].any() and expected["d_minus"].any():
        break
right, answers = int(t.argmax()), np.flatnonzero(expected["o"])
print(f"training digit {sample}: a {right}; the network answers", *answers)

# %% [markdown]
# ## The circuit
#
# Compared with one layer there are five new parts. `x_mem` and `h_mem` remember.
# `h_box` is the derivative of the hidden layer. `hT` receives the error through **two**
# copies of $W_2$ transposed: $+W_2^T$ from `o` and $-W_2^T$ from `o-`, which carries
# whichever error is not in `o`: $d_-$ in phase 5, $d_+$ in phase 9. A synapse works in
# one direction only, so the way back needs copies of its own; each of them must learn
# what $W_2$ learns, by itself.

# %%
circuit = learning_circuit(sizes)
print("\n".join(circuit.summary().splitlines()[:3]))
show(
    circuit_diagram(circuit),
    "The learning circuit. Thick arrows are plastic matrices: W1 and W2 each in three"
    " copies with three thresholds, and W2 transposed twice, with both signs, on the "
    "way back to hT.",
)

# %%
show(
    phase_diagram(circuit),
    "The timetable of one sample. Phases 1 to 4 are the forward pass and the error, 5"
    " to 7 what should grow, 9 to 11 what should shrink. Each coloured cell names who"
    " sends the spikes.",
)

# %%
assert sum(not p.name.startswith("g") for p in circuit.populations) == 15
if sizes == (400, 400, 10):
    assert (circuit.n_neurons, circuit.n_synapses()) == (3282, 517_203)
    assert circuit.n_synapses(plastic_only=True) == 500_000

# %% [markdown]
# <div class="sbp-figure" data-figure="turn">On the page of the book, a figure stands
# here: one turn of the circuit, a phase at a time, with the line of the algebra that
# it computes.</div>
#
# ## Twelve steps

# %%
program = lower(circuit)
shown = {"input": x.reshape(1, -1), "target": t.reshape(1, -1)}
run = compiled.run(
    program, program.state(before), shown, record=ALL_SPIKES, strict=True
)
show(
    raster(run, title=f"One sample, a {right}, spike by spike"),
    "All spikes of one sample. The picture of the digit comes back in phases 7 and "
    "11, where W1 learns; the hidden layer shows its answer in 2, 5 and 9, and its "
    "error in 7 and 11.",
    dataset,
)

# %% [markdown]
# **Phases 1–4: forward, and the error (1).** `x` fires, then the hidden layer in three
# copies, then the outputs and the target. In phase 4 the error fires, one population
# for each sign, its derivative built into its gates as [before](04_single_layer.ipynb).

# %%
fired = run.spikes
assert (fired["x"][1] == x).all()
assert (fired["h"][2] == expected["h"]).all()
assert (fired["h<"][2] == expected["h_lt"]).all()
assert (fired["h>"][2] == expected["h_gt"]).all()
assert (fired["o"][3] == expected["o"]).all()
assert (fired["d+"][4] == expected["d_plus"]).all()
assert (fired["d-"][4] == expected["d_minus"]).all()
print(
    "d+ =", *np.flatnonzero(fired["d+"][4]), "  d- =", *np.flatnonzero(fired["d-"][4])
)

# %% [markdown]
# **Phase 5: $W_2$ grows (3).** The remembered $h$ fires again; the error $d_+$ has been
# copied to the outputs. They meet under reward, so $W_2$ grows by 2 where both fired.
# At the same time `hT` fires a copy of $h$, and `o` and `o-` carry $d_+$ and $d_-$: so
# pre and post meet on the backward copies too. $+W_2^T$ grows by 2 for $d_+$, as $W_2$
# does. $-W_2^T$ grows by 2 for $d_-$: a decrease of $W_2$, which $W_2$ itself will get
# in phase 9. After that the copies agree again.

# %%
assert (fired["h"][5] == expected["h"]).all()
assert (fired["hT"][5] == expected["h"]).all()
assert (fired["o"][5] == expected["d_plus"]).all()
assert (fired["o-"][5] == expected["d_minus"]).all()

# %% [markdown]
# **Phase 6: the error goes back (2).** What `o` and `o-` sent in phase 5 arrives at
# `hT`: $W_2^T d_+ - W_2^T d_- = W_2^T d = e$. `hT` is opened to compare with 0, so it
# fires where $e > 0$. `h_box` fires where the derivative is 1.
#
# **Phase 7: $W_1$ grows (4).** `hT` copies the error to the hidden layer, and `h_box`
# opens it: product by gate. `x_mem` brings $x$ back. Both meet under reward.

# %%
e, box = expected["e"], expected["h_lt"] & ~expected["h_gt"]
assert (fired["hT"][6] == (e > 0)).all()
assert (fired["h_box"][6] == box).all()
assert (fired["h"][7] == ((e > 0) & box)).all()
assert (fired["x"][7] == x).all()

# %% [markdown]
# **Phases 8–11: the same with the other sign.** What `x` sent in phase 7 arrives in
# phase 8, so the hidden layer is held shut for a step. Then everything repeats with the
# roles of $d_+$ and $d_-$ exchanged and without reward: weights shrink, and in phase 10
# `hT` fires where $e < 0$. $W_2$ has changed meanwhile, but not the synapses that are
# read now: phase 5 changed $+W_2^T$ only for $d_+$, which now goes through $-W_2^T$,
# and the other way round. So $e$ is still that of the weights before this sample.

# %%
assert not any(fired[name][8].any() for name in ("h", "h<", "h>"))
assert (fired["o"][9] == expected["d_minus"]).all()
assert (fired["o-"][9] == expected["d_plus"]).all()
assert (fired["hT"][10] == (e < 0)).all()
assert (fired["h"][11] == ((e < 0) & box)).all()

# %% [markdown]
# ## The weights, before and after

# %%
after = run.weights
for name, change in (("W1", expected["dW1"]), ("W2", expected["dW2"])):
    assert (after[name] == np.clip(before[name] + change, -256, 254)).all()
    changed = int((after[name] != before[name]).sum())
    print(f"{name}: {changed:,} of {after[name].size:,} weights changed")

# %%
rows = np.flatnonzero(expected["hidden"])
change = {
    "W1": after["W1"][rows] - before["W1"][rows],
    "W2": after["W2"] - before["W2"],
}
show(
    weight_images(change, dataset.image_shape, n=40, title="What one digit changed"),
    f"The change of the weights of the first 40 of {len(rows)} hidden neurons that "
    "learned: plus or minus the digit itself (an outer product). Below, the change "
    "of W2: the hidden pattern, added to the output that should have fired and taken"
    " from the one that should not have.",
    dataset,
)

# %% [markdown]
# ## Not one sample but hundreds
#
# Equality for one digit could be luck. The circuit and the algebra, 500 samples in a
# row, each starting from the weights that the one before left behind:

# %%
stretch = slice(sample, min(sample + 500, len(targets)))
run = compiled.run(
    program,
    program.state(before),
    {"input": dataset.x_train[stretch], "target": targets[stretch]},
    strict=True,
)
network = algebra.Network(before)
network.train(dataset.x_train[stretch], targets[stretch])
count = stretch.stop - stretch.start
for name in ("W1", "W2"):
    assert (run.weights[name] == network.weights[name]).all()
print(f"all {W1.size + W2.size:,} weights equal after {count} samples")

# %% [markdown]
# ## So is it backpropagation?
#
# Yes: the error of the hidden layer is $W_2^T d$, the output error sent back through
# the weights themselves, multiplied by the derivative; nothing approximates it, and no
# computer outside calculates it. Some things are not what a textbook would do. The
# derivative is that of a ramp instead of a step, as in every network of binary neurons.
# The error of an output is -1, 0 or 1, that of a hidden neuron is reduced to its sign,
# every step has one size, and weights have eight bits and hard bounds. What that costs
# cannot be read from one step: networks have to be trained with it and without. With
# the full error in place of its sign the chip's rule does not learn better, as far as
# eight runs can tell; but the sign alone, put into plain gradient descent, makes seven
# of eight runs lose a digit for good: [what each idealisation
# costs](../book/meaning.md). The same
# network trained off the chip, with all that the chip's rule may not use, gets somewhat
# further: claim `off-chip-baseline` on [the status page](../results/status.md).

# %% [markdown]
# ## Exercises
#
# 1. **Count first.** How many weights of $W_1$ did the one digit change? Say it in
#    terms of $e$, the box and $x$, then count.
# 2. **Cut the negative copy.** Remove the projection from `o-` to `hT` and repeat the
#    one sample. Which populations fire differently, from which phase on, and why is
#    $W_2$ right all the same?

# %% tags=["answer"]
# Exercise 1: a number
answer = ...
check("changed", answer, before=before["W1"], after=after["W1"])

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 1
# One row for each hidden neuron in its box with an error that is not zero, one
# column for each pixel that fires; less those that were already at a bound.
predicted = int(((e != 0) & box).sum() * x.sum())
changed = int((after["W1"] != before["W1"]).sum())
print(predicted, "predicted,", changed, "changed")
assert 0 <= predicted - changed < 0.02 * predicted
verdict = check("changed", predicted, before=before["W1"], after=after["W1"])
print(verdict)
assert verdict

# %% tags=["answer"]
# Exercise 2: the first phase that differs
answer = ...
check("cut", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 2
# From phase 6 on hT fires where W2^T d+ > 0 instead of where W2^T (d+ - d-) > 0: the
# error of the outputs that should not have fired never comes back.  W2 itself is
# learned from h and o, which do not know of hT.
verdict = check("cut", 6)
print(verdict)
assert verdict
kept = tuple(p for p in circuit.projections if (p.source, p.target) != ("o-", "hT"))
program = lower(replace(circuit, projections=kept))
run = compiled.run(program, program.state(before), shown, record=ALL_SPIKES)
assert (run.spikes["hT"][5] == fired["hT"][5]).all()
assert (run.spikes["hT"][6] == (W2.T @ expected["d_plus"] > 0)).all()
assert (run.spikes["hT"][6] != fired["hT"][6]).any()
assert (run.weights["W2"] == after["W2"]).all()
assert (run.weights["W1"] != after["W1"]).any()

# %% [markdown]
# ## Summary
#
# - Twelve phases, one turn of the ring: forward, error, and twice the way back, once
#   for each sign.
# - Every line of the algebra is a phase in which certain populations fire, and we
#   asserted all of them, spike by spike and weight by weight.
# - It is backpropagation with a ramp's derivative and the sign of the hidden error.
#
# Next: [does it learn?](06_training.ipynb)
