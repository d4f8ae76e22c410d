# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What breaks it
#
# A machine is understood when one can predict what happens if a part is taken out. On
# this page we cut gates, spoil the weights of the way back, lose spikes, and drive the
# circuit past the two limits that it really has: the range of its weights and the
# strength of its closing gates.
#
# **You will**
# - take out every gate of the circuit, one at a time, and see what the network still
#   learns,
# - replace the copies of $W_2$ by something else: is that still backpropagation?
# - lose spikes and pixels,
# - see circuit and algebra part at the end of the weights' range,
# - find the closing gate's limit, first on paper, then with pictures of clothes.
#
# **You need** [the full circuit](05_full_circuit.ipynb). **Running time:** about a
# minute on two cores.

# %%
import warnings
from dataclasses import replace

import numpy as np

from sbp import algebra
from sbp.app.notebook import ProgressBar, TrainingBar, fashion_mnist, mnist, show
from sbp.circuits import learning_circuit
from sbp.engines import compiled
from sbp.learn import data, pretrained
from sbp.learn.training import (
    Measures,
    Settings,
    epoch_order,
    initial_weights,
    one_hot,
    outputs,
    train,
)
from sbp.plots import raster
from sbp.plots.charts import bars, curves, histogram
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import MatrixWeight, Parameter

# %% quick={"EPOCHS": 1, "EVERY": 6, "FASHION": 3000} tags=["parameters"]
EPOCHS = 10  # 1 to 100: for each damaged network
EVERY = 1  # 1 to 31: take out every opening gate; 6: every sixth
FASHION_EPOCHS = 5  # 1 to 20: for the network that learns clothes
FASHION = 60_000  # 1000 to 60_000: pictures of clothes, at most

# %% [markdown]
# ## A missing gate
#
# The ring has 45 gating projections, 31 that open and 14 that close. We remove each
# opening one in turn, train a small network on scikit-learn's digits, and test it by
# membrane. The forward pass of the test is always intact: what we measure is what was
# *learned*.

# %%
# Damaged circuits learn where they should not.
warnings.simplefilter("ignore", RuntimeWarning)
digits = data.load("digits")
targets = one_hot(digits.y_train, 10)
sizes = (64, 64, 10)
intact = learning_circuit(sizes)


def learn(circuit, weights, epochs=EPOCHS, seed=0):
    """Train a circuit on the digits; membrane accuracy of the test, in percent."""
    program = lower(circuit)
    state = program.state(weights)
    for epoch in range(1, epochs + 1):
        order = epoch_order(seed, epoch, len(targets))
        stimulus = {"input": digits.x_train[order], "target": targets[order]}
        state = compiled.run(program, state, stimulus).state
    learned = {name: program.weights(state)[name] for name in ("W1", "W2")}
    return 100 * Measures.of(*outputs(digits.x_test, learned), digits.y_test).membrane


start = initial_weights(sizes, 0)
gates = [p for p in intact.projections if p.source.startswith("g") and p.kind != "ring"]
opening = [p for p in gates if p.kind != "close"]
assert len(gates) == 45
whole = learn(intact, start)

lesions, bar = {}, ProgressBar(len(opening[::EVERY]), "damaged networks")
for done, gate in enumerate(opening[::EVERY], 1):
    rest = tuple(p for p in intact.projections if p is not gate)
    lesions[f"{gate.source} {gate.kind} {gate.target}"] = learn(
        replace(intact, projections=rest), start
    )
    bar(done)

# %%
ranked = sorted(lesions.items(), key=lambda item: item[1])
show(
    bars(
        ["intact", *(name for name, _ in ranked)],
        [whole, *(value for _, value in ranked)],
        ylabel="membrane accuracy, %",
        form="{:.0f}",
        title="What is learned without one gate",
    ),
    "Each bar is a network trained without one of the gates that open populations, "
    "worst first. A tenth is guessing.",
)
assert whole > max(15, ranked[0][1] + 5)
if EVERY == 1:
    mute = {lesions[name] for name in ("g2 gate h<", "g6 gate x_mem", "g6 gate h_box")}
    assert len(mute) == 1
    assert 12 <= sum(value < 20 for value in lesions.values()) <= 20

# %% [markdown]
# Half of the gates are vital: without one of them hardly anything is learned. Others
# can be spared on this task, for reasons that the timetable tells. Without `g3 gate
# h_mem`, for example, nothing meets at $W_2$: it stays random, and the hidden layer
# learns to suit it. And three lesions have *the same* accuracy to the last digit, `g2
# gate h<`, `g6 gate x_mem` and `g6 gate h_box`: without any of them the hidden layer
# learns nothing at all, and what remains is an output layer that learns to read a
# random hidden layer. That is the price of not sending the error back.
#
# What about the gates that *close*? All fourteen at once:

# %%
open_ended = tuple(p for p in intact.projections if p.kind != "close")
without = learn(replace(intact, projections=open_ended), start)
print(f"intact {whole:.1f} %, without any closing gate {without:.1f} %")
assert len(gates) - len(opening) == 14
assert without == whole

# %% [markdown]
# Nothing. At this size no sum ever reaches the 9216 that fires a closed relay, so
# nothing needs to be held shut. The closing gates are there for large networks, and we
# come back to them below.
#
# ## A broken weight copy
#
# The error goes back through two copies of $W_2$, which learn what $W_2$ learns. What
# if they are something else? In turn: copies that start elsewhere but learn alike;
# fixed random weights (which is *feedback alignment*, [Lillicrap et al.,
# 2016](https://doi.org/10.1038/ncomms13276)); nothing.


# %%
def way_back(weight, negative):
    """The circuit with other weights from o and o- to hT; None cuts them."""
    changed = []
    for p in intact.projections:
        if p.target == "hT" and p.source in ("o", "o-"):
            if weight is None:
                continue
            p = replace(p, weight=negative if p.source == "o-" else weight)
        changed.append(p)
    return replace(
        intact,
        projections=tuple(changed),
        parameters=(*intact.parameters, Parameter("B", 10, 64)),
    )


fixed = [
    MatrixWeight("B", transpose=True, negate=n, plastic=False) for n in (False, True)
]
alike = [
    MatrixWeight("B", transpose=True, negate=n, plastic=True) for n in (False, True)
]
ways = {
    "copies of W2": intact,
    "random, learns alike": way_back(*alike),
    "random, fixed": way_back(*fixed),
    "cut": way_back(None, None),
}
scores = {name: [] for name in ways}
for seed in range(3):
    start = initial_weights(sizes, seed)
    other = {**start, "B": initial_weights(sizes, 100 + seed)["W2"]}
    for name, circuit in ways.items():
        weights = start if circuit is intact else other
        scores[name].append(learn(circuit, weights, seed=seed))
means = {name: float(np.mean(values)) for name, values in scores.items()}
show(
    bars(
        list(means),
        list(means.values()),
        ylabel="membrane accuracy, %, mean of 3 seeds",
        form="{:.1f}",
        title="The way back, done differently",
    ),
    "Accuracy with the weights of the way back as they should be, started elsewhere, "
    "fixed at random, and cut.",
)
if EVERY == 1:
    assert mute == {scores["cut"][0]}  # those three lesions cut the way back
if EPOCHS >= 10:
    assert min(means[name] for name in means if name != "cut") > means["cut"] + 10

# %% [markdown]
# Only the first is backpropagation. On this small task what counts most is that *some*
# error comes back: cut the way, and the hidden layer stays as random as it was. Fixed
# random weights come close to the copies, as the cited paper found for other networks:
# the weights in front learn to agree with them. Between the first three bars, three
# seeds and 382 test digits can hardly decide; what sets the first apart is that its
# hidden error *is* $W_2^T d$, and not something that came to resemble it.
#
# ## Lost spikes
#
# On a digital chip spikes are not lost; on other substrates they are. We take a trained
# network and lose each spike of the input, or each of the hidden layer, with some
# probability, in recognition.

# %%
dataset = mnist()

# %%
if dataset.name == "mnist":
    weights = pretrained.load()  # 400-400-10, ships with the package
else:
    # The one that ships has seen all of these pictures.
    weights = train(dataset, Settings(epochs=10), progress=TrainingBar(10)).weights

# %%
W1, W2 = (weights[name].astype(np.float32) for name in ("W1", "W2"))
x, y = dataset.x_test[:2000].astype(np.float32), dataset.y_test[:2000]
rng = np.random.default_rng(8)
losses = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
accuracy = {"input spikes lost": [], "hidden spikes lost": [], "pixels flipped": []}
for loss in losses:
    for what in accuracy:
        seen = x
        if what == "input spikes lost":
            seen = x * (rng.random(x.shape) >= loss)
        elif what == "pixels flipped":
            seen = np.abs(x - (rng.random(x.shape) < loss))
        h = (seen @ W1.T > 512).astype(np.float32)
        if what == "hidden spikes lost":
            h *= rng.random(h.shape) >= loss
        accuracy[what].append(100 * float(((h @ W2.T).argmax(axis=1) == y).mean()))
show(
    curves(
        losses,
        accuracy,
        xlabel="probability for each spike or pixel",
        ylabel="membrane accuracy, %",
        title="Recognition with spikes lost",
    ),
    "A trained network loses spikes. Losing input or hidden spikes costs little at "
    "first; flipping pixels, which also adds spikes where there should be none, costs"
    " more.",
    dataset,
)
lost = [accuracy[what][2] for what in ("input spikes lost", "hidden spikes lost")]
assert accuracy["pixels flipped"][2] < min(lost)  # at one in ten
assert len(digits.x_test) == 382

# %% [markdown]
# In *learning* the ring is another matter: one lost spike there stops everything, as
# [page 2](02_gating_chain.ipynb) showed.
#
# ## At the end of the weights' range
#
# Weights end at -256 and at 254. A weight of $W_2$ that is pushed down at -256 stays
# there, but its negated copy, which should be 256, stops at 254: from then on the two
# are 2 apart, and the error that comes back is a little wrong. In a narrow network the
# first weights start near the bounds, and it happens within one epoch:

# %%
narrow, origin = lower(learning_circuit((64, 24, 10))), initial_weights((64, 24, 10), 0)
order = epoch_order(0, 1, len(targets))
stimulus = {"input": digits.x_train[order], "target": targets[order]}
run = compiled.run(narrow, narrow.state(origin), stimulus)
parted = run.faults()["synapses whose copies have parted"]
print(f"{parted} synapses with copies 2 apart; weights that differ from the circuit's:")
assert parted > 0
assert run.faults()["ungated spikes"] == 0
for what, copies in {"plain backpropagation": False, "with the copies": True}.items():
    network = algebra.Network(origin, copies=copies)
    network.train(stimulus["input"], stimulus["target"])
    differing = [int((run.weights[n] != network.weights[n]).sum()) for n in origin]
    print(f"  {what}: {sum(differing):,}")
    assert (sum(differing) == 0) == copies

# %% [markdown]
# Circuit and backpropagation go on learning, as two learners from here on. An algebra
# that carries the copies along, a bit for each synapse, follows the circuit there too.
# On MNIST with 400 hidden neurons no copy parted in three trainings of 60 epochs
# ([status](../results/status.md)).
#
# ## Past the closing gate
#
# A closing gate pushes down by 8128. A relay held shut fires all the same if its input
# exceeds $1024 + 8192 + 8128 = 17\,344$. Weights end at 254, so 68 input spikes cannot
# do it, and 69 can. The next phase matters: a neuron that fires in phase 8 is dead in
# phase 9, in which it should have met $d_-$. We build that case on purpose: 80 inputs,
# all firing, all weights of $W_1$ at 254.

# %%
assert 69 * 254 > 17_344 > 68 * 254
extreme = learning_circuit((80, 4, 2))
before = {
    "W1": np.full((4, 80), 254, np.int16),
    # Output 0 answers, and should not.
    "W2": np.array([[200] * 4, [100] * 4], np.int16),
}
stimulus = {"input": np.ones((1, 80), np.uint8), "target": np.array([[0, 1]], np.uint8)}
program = lower(extreme)
run = compiled.run(program, program.state(before), stimulus, record=ALL_SPIKES)
network = algebra.Network(before)
network.train(stimulus["input"], stimulus["target"])
show(
    raster(
        run,
        populations=["x", "h", "h<", "h>", "o", "t", "d+", "d-"],
        title="Past the closing gate",
    ),
    "The input sends 20,320 to every hidden neuron. They fire in phase 8 although "
    "they are held shut, and are dead in phase 9, where W2 should have shrunk.",
)
print(
    "W2 of output 0, circuit:",
    run.weights["W2"][0],
    " algebra:",
    network.weights["W2"][0],
)
assert run.spikes["h"][8].all()
assert not run.spikes["h"][9].any()
assert (run.weights["W2"][0] == 200).all()
assert (network.weights["W2"][0] == 198).all()

# %% [markdown]
# Does this happen with real pictures? The largest inputs of the hidden layer, for a
# network trained on MNIST and for one trained on Fashion-MNIST, whose pictures of
# clothes are larger (784 pixels), with large filled areas: far more pixels spike.

# %%
fashion = fashion_mnist()
inputs = {
    dataset.name: (dataset.x_test @ weights["W1"].T.astype(np.float32)).astype(int)
}
if fashion:
    fashion = fashion.take(n_train=min(FASHION, len(fashion.x_train)))
    taught = train(
        fashion, Settings(epochs=FASHION_EPOCHS), progress=TrainingBar(FASHION_EPOCHS)
    ).weights
    inputs["fashion-mnist"] = (
        fashion.x_test @ taught["W1"].T.astype(np.float32)
    ).astype(int)

# %%
show(
    histogram(
        inputs,
        xlabel="input of a hidden neuron, weight units",
        limits={"fires ungated": 9216, "fires closed": 17_344},
        title="How far from the limits?",
    ),
    "Inputs W1 x of all hidden neurons over the test pictures, counted on a "
    "logarithmic scale, and the two limits: above the first a relay fires without a "
    "gate, above the second even if held shut.",
    dataset,
)
for name, values in inputs.items():
    print(f"{name}: largest {values.max():,}, margin {17_344 - values.max():,}")
assert inputs[dataset.name].max() < 17_344

# %% [markdown]
# MNIST stays below the second limit; the circuit is exact there. Fashion-MNIST goes
# past it once the network has learned for a while, and from then on circuit and algebra
# are two different learners. We let both go on from the same weights:

# %%
if fashion:
    part = slice(0, min(3000, FASHION))
    labels = one_hot(fashion.y_train[part], 10)
    program = lower(learning_circuit((784, 400, 10)))
    run = compiled.run(
        program,
        program.state(taught),
        {"input": fashion.x_train[part], "target": labels},
    )
    network = algebra.Network(taught)
    network.train(fashion.x_train[part], labels)
    held = run.counters.spikes[8, program.index("h")]
    differing = {
        n: int((run.weights[n] != network.weights[n]).sum()) for n in ("W1", "W2")
    }
    print(f"hidden spikes in phase 8, where all are held shut: {held:,}")
    print(
        f"weights in which circuit and algebra differ after {len(labels):,} samples: "
        f"{differing}"
    )
    assert (held == 0) == (sum(differing.values()) == 0)

# %% [markdown]
# From here on the circuit unlearns. A hidden neuron that fires in phase 8 is dead in
# phase 9, when the negative error is there: its weights up to the outputs still grow,
# and no longer shrink, while their copies for the way back do both. In 60 epochs that
# costs almost all that was learned; [the status page](../results/status.md) has it
# epoch by epoch (claim `fashion-mnist-circuit`), with each part of the explanation by
# itself.
#
# It is a limit of these parameters, not of the circuit. With finer weights, at *weight
# exponent* -1 or -2, the gates hold two or four times as much, and the same circuit
# learns the same pictures:

# %%
if fashion:
    for exponent in (0, -1, -2):
        program = lower(learning_circuit((784, 400, 10), weight_exponent=exponent))
        run = compiled.run(
            program,
            program.state(taught),
            {"input": fashion.x_train[part], "target": labels},
        )
        parted = sum(int((run.weights[n] != network.weights[n]).sum()) for n in taught)
        held = run.counters.spikes[8, program.index("h")]
        print(
            f"exponent {exponent:2d}: {held:6,} hidden spikes in phase 8, "
            f"{parted:7,} weights differ from the algebra"
        )
        assert held == 0 or exponent == 0

# %% [markdown]
# The paper's 79 % on Fashion-MNIST were learned on the chip, in a setting that we do
# not know. What the circuit reaches in the three public settings that hold such sums is
# on the status page too (claim `fashion-mnist-on-chip`).
#
# ## Exercises
#
# 1. **Which closing gates can matter?** Give the least number of spikes that needs
#    one. Is `g4 close hT` ever needed with ten classes?
# 2. **Mind the labels.** What does the network learn if a fifth of the training labels
#    is drawn at random?

# %% tags=["answer"]
# Exercise 1: your answer

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 1
# A relay at rest fires above 9216, and weights end at 254: 37 spikes at least, all
# over weights near the bound.  hT hears ten outputs, 2540 at most: never.  h hears
# the pixels of a digit: never here.  Only o, which hears 64 hidden neurons, might.
assert 36 * 254 < 9216 < 37 * 254
assert 10 * 254 < 9216
assert digits.x_train.sum(axis=1).max() < 37
print(
    f"a digit has {digits.x_train.sum(axis=1).mean():.0f} spikes on average, "
    f"{digits.x_train.sum(axis=1).max()} at most"
)

# %% tags=["answer"]
# Exercise 2: your answer

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 2
# Less well, but far from hopeless: wrong labels push in all directions, right ones
# in one.
rng = np.random.default_rng(1)
noisy = digits.y_train.copy()
wrong = rng.random(len(noisy)) < 0.2
noisy[wrong] = rng.integers(0, 10, wrong.sum())
result = train(
    replace(digits, y_train=noisy), Settings(hidden=64, epochs=max(EPOCHS, 3))
)
last = 100 * result.epochs[-1]["membrane"]
print(f"right labels {whole:.1f} %, a fifth redrawn {last:.1f} %")
assert last > 20

# %% [markdown]
# ## Summary
#
# - Half of the gates that open are vital; the gates that close matter once sums grow
#   large.
# - With random weights on the way back it still learns, but that is no longer
#   backpropagation.
# - Recognition bears lost spikes; the ring does not.
# - Circuit and algebra are equal until a weight of $W_2$ meets a bound, or an input
#   passes what a closing gate holds. MNIST with 400-400-10 meets neither; narrow
#   networks meet the first, Fashion-MNIST the second, unless its weights are finer.
#
# Next: [speed, energy and the chip](09_speed_and_energy.ipynb).
