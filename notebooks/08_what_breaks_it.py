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
# this page we cut [gates](../book/notation.md#term-gate), spoil the weights of the way
# back, lose spikes, and drive the circuit past the two limits that it meets on real
# data: the range of its weights and the strength of its [closing
# gates](../book/notation.md#term-closing-gate).
#
# **You will**
# - take out every opening gate of the circuit, one at a time, and see what the network
#   still learns, with error bars,
# - replace the copies of $W_2$ by something else: is that still backpropagation?
# - lose spikes and pixels,
# - see circuit and [algebra](../book/notation.md#term-algebra) part at the end of the
#   weights' range,
# - find the closing gate's limit, first on paper, then with pictures of clothes.
#
# **You need** [the full circuit](05_full_circuit.ipynb). **Reading time:** 20 minutes.
# **Running time:** about two minutes on two cores.

# %%
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np

from sbp import algebra
from sbp.app.exercises import check
from sbp.app.notebook import ProgressBar, TrainingBar, fashion_mnist, mnist, show
from sbp.circuits import learning_circuit
from sbp.engines import compiled
from sbp.learn import data, pretrained
from sbp.learn.parallel import in_threads
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
from sbp.plots.charts import curves, histogram, mean_and_error, points
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import MatrixWeight, Parameter

# %% quick={"EPOCHS": 1, "EVERY": 6, "FASHION": 3000, "SEEDS": 4} tags=["parameters"]
EPOCHS = 3  # 1 to 20: for each damaged network
SEEDS = 5  # 4 to 10: starts of each
EVERY = 1  # 1 to 31: take out every opening gate; 6: every sixth
FASHION_EPOCHS = 5  # 1 to 20: for the network that learns clothes
FASHION = 60_000  # 1000 to 60_000: pictures of clothes, at most

# %% [markdown]
# ## A missing gate
#
# The ring has 45 gating projections, 31 that open and 14 that close. We remove each
# opening one in turn, train the paper's network, 400-400-10, on 4,000 digits of MNIST,
# and test it by membrane on another 1,000. The forward pass of the test is always
# intact: what we measure is what was *learned*. Each circuit learns from several
# starts, the same ones for all, because one start says little: after so few digits two
# trainings of the *intact* circuit can be ten points apart.

# %%
# Damaged circuits learn where they should not.
warnings.simplefilter("ignore", RuntimeWarning)
pictures = data.load("mnist-5k")  # comes with the package
targets = one_hot(pictures.y_train, 10)
sizes = (400, 400, 10)
intact = learning_circuit(sizes)


def membrane(weights):
    """Membrane accuracy on the test digits, in percent."""
    used = {name: weights[name] for name in ("W1", "W2")}
    found = Measures.of(*outputs(pictures.x_test, used), pictures.y_test)
    return 100 * found.membrane


def learn(program, seed):
    """Train a circuit; those with another way back have random weights B there."""
    weights = dict(initial_weights(sizes, seed))
    if any(name == "B" for name, _, _ in program.parameters):
        weights["B"] = initial_weights(sizes, 100 + seed)["W2"]
    state = program.state(weights)
    for epoch in range(1, EPOCHS + 1):
        order = epoch_order(seed, epoch, len(targets))
        stimulus = {"input": pictures.x_train[order], "target": targets[order]}
        state = compiled.run(program, state, stimulus).state
    return membrane(program.weights(state))


def learn_all(circuits):
    """Accuracy of every circuit for every seed, a thread for each core."""
    programs = {name: lower(circuit) for name, circuit in circuits.items()}
    keys = [(name, seed) for name in circuits for seed in range(SEEDS)]
    bar, done = ProgressBar(len(keys), "trainings"), []

    def one(key, check):
        check()
        return learn(programs[key[0]], key[1])

    def finished(key, value):
        done.append(key)
        bar(len(done))

    found = in_threads(one, keys, finished=finished)
    return {name: [found[name, seed] for seed in range(SEEDS)] for name in circuits}


def without(*gates):
    left = [p for p in intact.projections if all(p is not gate for gate in gates)]
    return replace(intact, projections=tuple(left))


gates = [p for p in intact.projections if p.source.startswith("g") and p.kind != "ring"]
opening = [p for p in gates if p.kind != "close"]
closing = [p for p in gates if p.kind == "close"]
assert (len(opening), len(closing)) == (31, 14)
lesions = {f"{p.source} {p.kind} {p.target}": without(p) for p in opening[::EVERY]}
circuits = {"intact": intact, "no closing gate": without(*closing), **lesions}
scores = learn_all(circuits)
untrained = [membrane(initial_weights(sizes, seed)) for seed in range(SEEDS)]


# %%
def apart(first, second):
    """-1, 0 or 1: whether `first` is lower or higher than `second`, seed by seed.

    Only a mean difference of more than three standard errors counts.
    """
    mean, error = mean_and_error(np.subtract(first, second))
    return int(np.sign(mean)) if abs(mean) > 3 * error else 0


def kind(name):
    if apart(scores[name], untrained) <= 0:
        return "no better than untrained"
    return {
        -1: "worse than intact",
        0: "not told apart from intact",
        1: "better than intact",
    }[apart(scores[name], scores["intact"])]


ranked = sorted(lesions, key=lambda name: np.mean(scores[name]))
names = ["intact", *ranked]
show(
    points(
        {name: scores[name] for name in names},
        groups={"intact": "intact"} | {name: kind(name) for name in ranked},
        lines={"untrained": float(np.mean(untrained))},
        xlabel="membrane accuracy, %",
        title="What is learned without one gate",
    ),
    "Each row is the circuit without one of the gates that open populations: a dot for "
    f"each of {SEEDS} seeds, and their mean with its standard error. The line is the "
    "network before any training: it guesses.",
    pictures,
)
for name, count in Counter(map(kind, ranked)).items():
    print(f"{count:2d} {name}")

# %%
if EVERY == 1:
    three = [scores[name] for name in ("g2 gate h<", "g6 gate x_mem", "g6 gate h_box")]
    assert three[0] == three[1] == three[2]
if (EPOCHS, SEEDS, EVERY) == (3, 5, 1):
    assert Counter(map(kind, ranked)) == {
        "no better than untrained": 15,
        "worse than intact": 8,
        "not told apart from intact": 8,
    }

# %% [markdown]
# Half of the gates are vital: with fifteen of the lesions the network answers no better
# than before it saw a digit. With three of these no weight changes at all (`g1 gate x`,
# `g2 gate h` and `g3 gate o<`); with the others weights change, but not in the
# direction of fewer errors. Eight more cost accuracy, from a few points to about forty.
# The other eight cannot be told apart from the intact circuit by
# these seeds; their order in the picture means nothing. (Of thirty lesions that change
# nothing, about one would pass three standard errors by luck.)
#
# The timetable says why. Without `g3 gate o<`, for one, no output ever counts as wrong.
# `g6 gate hT` lets the error through that makes weights of $W_1$ grow, `g10 gate hT`
# the one that makes them shrink: without one of them the hidden layer learns in one
# direction only, and that is much worse than not to learn. And three lesions have *the
# same* accuracy to the last digit, seed by seed: `g2 gate h<`, `g6 gate x_mem` and
# `g6 gate h_box`. Without any of them the hidden layer learns nothing at all, and what
# remains is an output layer that learns to read a random hidden layer. The other way
# round, without `g3 gate h_mem`, nothing meets at $W_2$: it stays random, and the
# hidden layer learns to suit it, so well that the damage does not show.
#
# What about the gates that *close*? All fourteen at once:

# %%
whole, open_ended = scores["intact"], scores["no closing gate"]
for what, found in {"intact": whole, "without any closing gate": open_ended}.items():
    print(f"{what}: {np.mean(found):.2f} %")
if EPOCHS <= 3:
    assert whole == open_ended

# %% [markdown]
# Nothing, in so short a training: no sum reaches the 9216 that fires a closed relay, so
# nothing needs to be held shut. Inputs of the hidden layer grow while it learns, and on
# the whole of MNIST the first of them go past that limit in the first epochs
# ([status](../results/status.md), claim `mnist-closing-gate`). The closing gates are
# there for then, and we come back to them below.
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
        parameters=(*intact.parameters, Parameter("B", 10, 400)),
    )


fixed = [
    MatrixWeight("B", transpose=True, negate=n, plastic=False) for n in (False, True)
]
alike = [
    MatrixWeight("B", transpose=True, negate=n, plastic=True) for n in (False, True)
]
ways = {"copies of W2": scores["intact"]} | learn_all(
    {
        "random, learns alike": way_back(*alike),
        "random, fixed": way_back(*fixed),
        "cut": way_back(None, None),
    }
)

# %%
show(
    points(
        ways,
        lines={"untrained": float(np.mean(untrained))},
        xlabel="membrane accuracy, %",
        title="The way back, done differently",
    ),
    f"Accuracy with the weights of the way back as they should be, started elsewhere, "
    f"fixed at random, and cut: {SEEDS} seeds, their mean and its standard error.",
    pictures,
)
said = {-1: "worse than", 0: "not told apart from", 1: "better than"}
for name in ("random, learns alike", "random, fixed"):
    print(f"{name}: {said[apart(ways[name], whole)]} the copies", end="; ")
    print(f"{said[apart(ways[name], ways['cut'])]} nothing")
if EVERY == 1:
    assert scores["g2 gate h<"] == ways["cut"]  # those three lesions cut the way back
if (EPOCHS, SEEDS) == (3, 5):
    assert apart(ways["cut"], whole) == -1
    assert apart(ways["random, learns alike"], whole) == -1
    fixed_ones = ways["random, fixed"]
    assert apart(fixed_ones, whole) == apart(fixed_ones, ways["cut"]) == 0

# %% [markdown]
# Only the first is backpropagation: its hidden error *is* $W_2^T d$. Cut the way, and
# the hidden layer stays as random as it was; the output layer alone does clearly worse.
# Random weights that learn alike are worse than the copies, too. With fixed ones the
# starts lie far apart: some do as well as with the copies, others no better than with
# nothing. The weights in front have to come to agree with them first, which the cited
# paper describes, and three epochs are short for that. Whether fixed random weights are
# worse than the copies, or better than nothing, these seeds do not tell.
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

# %% [markdown]
# These are spikes of the layers alone, worked out with matrices. The ring, which
# recognising needs as much as learning, is another matter: one spike lost there stops
# everything, as [page 2](02_gating_chain.ipynb) showed.
#
# ## At the end of the weights' range
#
# Weights end at -256 and at 254. A weight of $W_2$ that is pushed down at -256 stays
# there, but its negated copy, which should be 256, stops at 254: from then on the two
# are 2 apart, and the error that comes back is a little wrong. In a narrow network the
# first weights start near the bounds, and it happens within one epoch:

# %%
digits = data.load("digits")  # scikit-learn's, 8 x 8 pixels
narrow, origin = lower(learning_circuit((64, 24, 10))), initial_weights((64, 24, 10), 0)
order = epoch_order(0, 1, len(digits.y_train))
stimulus = {
    "input": digits.x_train[order],
    "target": one_hot(digits.y_train[order], 10),
}
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
# do it, and 69 can. The next [phase](../book/notation.md#term-phase) matters: a neuron
# that fires in phase 8 is dead in phase 9, in which it should have met $d_-$. We build
# that case on purpose: 80 inputs, all firing, all weights of $W_1$ at 254.

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
# It is a limit of these parameters, not of the circuit. The chip can hold learned
# weights finer: at [weight exponent](../book/notation.md#term-weight-exponent) -1 a
# step of a weight is half as large beside the biases and the closing gates, at -2 a
# quarter, and a threshold is 1024 such steps as before. Counted in them, a gate holds
# 33,664 or 66,304 in place of 17,344, and the same circuit learns the same pictures:

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
# not know. What the circuit reaches in three public settings is on the status page too
# (claim `fashion-mnist-on-chip`): exponent -2, which holds every sum that occurred;
# exponent -1, whose limit two of three runs pass, in some six hundred of 3.6 million
# samples; and the parameters of before August 2024, whose limit all three pass, and
# learn all the same.
#
# ## Exercises
#
# 1. **Which closing gates can matter?** How many input spikes, at least, fire a relay
#    that no gate opens? Is `g4 close hT` ever needed with ten classes?
# 2. **Mind the labels.** Draw a fifth of the training labels, `pictures.y_train`, anew
#    at random, train from SEEDS starts for EPOCHS epochs, and give the mean membrane
#    accuracy in percent.

# %% tags=["answer"]
# Exercise 1: the least number of spikes
answer = ...
check("fewest", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 1
# A relay at rest fires above 9216, and weights end at 254: 37 spikes at least, all
# over weights near the bound.  hT hears ten outputs, 2540 at most: never.  h hears
# the pixels of a digit and o 400 hidden neurons: both may.
verdict = check("fewest", 37)
print(verdict)
assert verdict
assert 36 * 254 < 9216 < 37 * 254
assert 10 * 254 < 9216
spikes = pictures.x_train.sum(axis=1)
assert spikes.max() > 37
print(f"a digit has {spikes.mean():.0f} spikes on average, {spikes.max()} at most")

# %% tags=["answer"]
# Exercise 2: membrane accuracy in percent
answer = ...
check("labels", answer, whole=float(np.mean(whole)))

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 2
# Less well, but far from hopeless: wrong labels push in all directions, right ones
# in one.
rng = np.random.default_rng(1)
noisy = pictures.y_train.copy()
wrong = rng.random(len(noisy)) < 0.2
noisy[wrong] = rng.integers(0, 10, wrong.sum())
found = [
    train(replace(pictures, y_train=noisy), Settings(epochs=EPOCHS, seed=seed))
    for seed in range(SEEDS)
]
last = [100 * result.epochs[-1]["membrane"] for result in found]
for what, values in {"right labels": whole, "a fifth redrawn": last}.items():
    mean, error = mean_and_error(values)
    print(f"{what}: {mean:.1f} ± {error:.1f} %, {SEEDS} seeds")
verdict = check("labels", float(np.mean(last)), whole=float(np.mean(whole)))
print(verdict)
assert verdict

# %% [markdown]
# ## Summary
#
# - Half of the gates that open are vital, and a quarter are not missed in a short
#   training; the gates that close matter once sums grow large.
# - With random weights on the way back it learns less surely, and that is no longer
#   backpropagation; without a way back the hidden layer learns nothing.
# - Recognition bears lost spikes of the layers; the ring bears none.
# - Circuit and algebra are equal until a weight of $W_2$ meets a bound, or an input
#   passes what a closing gate holds (or 9,216 at `o` in phase 8, where none closes it).
#   MNIST with 400-400-10 meets neither; narrow
#   networks meet the first, Fashion-MNIST the second, unless its weights are finer.
#
# Next: [speed, energy and the chip](09_speed_and_energy.ipynb).
