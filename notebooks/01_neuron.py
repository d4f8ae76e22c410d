# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The Loihi neuron
#
# Everything in this book is built from one part: a neuron that adds up whole numbers
# and fires when the sum is large enough. This page takes that part in hand, until it
# can do the one trick on which the whole circuit rests: staying silent, whatever it is
# told, unless a *[gate](../book/notation.md#term-gate)* has lifted it to half of its
# threshold.
#
# **You will**
# - run a neuron of Intel's Loihi chip in exact integers and predict when it fires,
# - take its memory away, and see why that is useful,
# - open and close it with a gate, in three ways, so that it compares its input with ½,
#   0 or 1.
#
# **You need** some Python and NumPy, and the idea that a neuron fires when it is
# excited enough. **Reading time:** 15 minutes. **Running time:** a few seconds.

# %%
import numpy as np

from sbp import loihi
from sbp.app.exercises import check
from sbp.app.notebook import show
from sbp.circuits.gating import RELAY
from sbp.circuits.lines import circuit
from sbp.engines import reference
from sbp.plots.charts import curves, potentials
from sbp.program import lower
from sbp.run import Record
from sbp.spec import MatrixWeight, Neuron, Parameter

# %% quick={"STEPS": 12} tags=["parameters"]
STEPS = 18  # 1 to 200: how long the neurons with memory are watched

# %% [markdown]
# ## A neuron in five lines
#
# A neuron keeps one number, its potential `v`. In every step some of it leaks away and
# what arrives is added; above a threshold the neuron fires, and begins again from zero.
# This one loses an eighth in every step and is given 300.

# %%
v, spikes = 0, []
for _ in range(1, STEPS):
    v = v * 7 // 8 + 300
    spikes.append(v > 1024)
    v = 0 if spikes[-1] else v

print("spikes in steps", *(step for step, fired in enumerate(spikes, 1) if fired))
if STEPS > 10:
    assert [step for step, fired in enumerate(spikes, 1) if fired][:2] == [5, 10]

# %% [markdown]
# 300, 562, 791, 992: the fifth addition crosses 1024. That is all there is to it.
# Everything else in this book is many of these, and what one tells the other.
#
# ## One step of the chip
#
# A spike is an event without a size. What it does depends on the *synapse* it travels
# over: a whole number, the weight. In every time step a neuron adds up the weights of
# all spikes that arrive, $a$, and updates two whole numbers, its current $u$ and its
# membrane potential $v$:
#
# $$
# u \leftarrow D(u, d_u) + 64\,a, \qquad
# v \leftarrow D(v, d_v) + u + b, \qquad
# \text{spike if } v > 64\,\theta .
# $$
#
# $D(x, d)$ shrinks $x$ by the share $d/4096$ and rounds toward zero, $b$ is a constant
# *bias*, and $\theta$ the *threshold*. After a spike $v$ is zero again. The factor 64
# only says that the chip keeps six more bits than the weights have; in this book all
# numbers are given in *[weight units](../book/notation.md#term-weight-unit)*, with the
# 64 divided out, unless we say otherwise.
#
# A circuit is written in lines: who sends, who hears it, and over which kind of
# synapse. `lower` turns it into a *[program](../book/notation.md#term-program)*, whole
# numbers as a chip would hold them, and an *[engine](../book/notation.md#term-engine)*
# runs that; `reference` follows the rules above word for word. Circuits run in
# *[samples](../book/notation.md#term-sample)*, one turn through their
# *[phases](../book/notation.md#term-phase)*; in the small ones of this page every step
# is a sample.
#
# Here is the smallest circuit, one line long: what comes from outside, `input`, reaches
# a neuron `n` with weight 300. Its threshold is 1024, and it loses an eighth of its
# potential in every step ($d_v = 512$).


# %%
def tiny(lines, sizes, sources, neuron=RELAY, **more):
    """A circuit in which every step is a sample: it is fed step by step."""
    return circuit(
        lines,
        sizes=sizes,
        sources={name: (size, 0) for name, size in sources.items()},
        neurons=dict.fromkeys(sizes, neuron),
        **more,
    )


def watch(circuit, stimulus, weights=None):
    """Run it on the reference engine, with everything recorded."""
    program = lower(circuit)
    record = Record(spikes="all", u="all", v="all")
    return reference.run(program, program.state(weights), stimulus, record=record)


leaky = Neuron(threshold=1024, du=4096, dv=512)
one = tiny("input n 300", {"n": 1}, {"input": 1}, leaky)
run = watch(one, {"input": np.ones((STEPS, 1), int)})

show(
    potentials(run, ["n"], title="A leaky neuron, given 300 in every step"),
    "A neuron that remembers. Each step adds 300 and loses an eighth of what was "
    "there; the fifth addition crosses the threshold, a spike leaves, and it begins "
    "again from zero.",
)

# %% [markdown]
# Does it agree with our five lines? The first spike of the
# [source](../book/notation.md#term-source), sent in step 0, arrives in step 1: a spike
# always takes one step. From there on they must be the same, spike for spike. (The chip
# rounds in its own finer units, 64 to one of ours; here that makes no difference.
# Exactly as the chip does it: `v * 3584 // 4096 + 64 * 300`.)

# %%
fine, finer = 0, []
for _ in range(1, STEPS):
    fine = fine * (4096 - 512) // 4096 + 64 * 300
    finer.append(fine > 64 * 1024)
    fine = 0 if finer[-1] else fine

assert run.spikes["n"][1:, 0].tolist() == finer == spikes
print("the package, the chip's units and our five lines agree in", STEPS, "steps")

# %% [markdown]
# <div class="sbp-figure" data-figure="neuron">On the page of the book, a figure stands
# here: a neuron with sliders for its weight, bias and memory, and input spikes to
# press.</div>
#
# ## Without memory
#
# A neuron that remembers is a nuisance when numbers must be compared *now*: what it was
# told a moment ago leaks into the answer. So the neurons of this circuit forget
# everything in one step, $d_u = d_v = 4096$. What remains is as plain as a neuron can
# be: *add up what arrives in this step, add the bias, compare with the threshold.*
#
# To see the comparison we give three such neurons three weights, just below the
# threshold, on it and just above. (A weight on the chip is a *mantissa*, a whole number
# below 256 in size, times a power of two. Where it may have either sign, as here, the
# mantissa is even, and 8 times an even number gives us steps of 16.)

# %%
weights = np.array([[126], [128], [130]])
memoryless = Neuron(threshold=1024)
held = {"W": MatrixWeight("W", exponent=3, plastic=False)}
three = tiny(
    "input n W",
    {"n": 3},
    {"input": 1},
    memoryless,
    weights=held,
    matrices=[Parameter("W", 3, 1)],
)
run = watch(three, {"input": [[1], [0]]}, {"W": weights})
for weight, fired in zip(8 * weights[:, 0], run.spikes["n"][1], strict=True):
    print(f"input {weight}: {'spike' if fired else 'silent'}")
assert run.spikes["n"][1].tolist() == [False, False, True]

# %% [markdown]
# The comparison is strict: exactly 1024 is not enough. Details like this one decide
# whether two machines agree to the last spike.
#
# ## A neuron behind a gate
#
# Now the trick. Give the neuron a bias of $-8192$, eight thresholds below zero. Nothing
# that the network sends it, a few hundred or a few thousand, can fire it: it is
# *closed*. Call it a **[relay](../book/notation.md#term-relay)**. A **gate** is another
# neuron with a synapse of weight
#
# $$ 8704 = 8192 + 512 $$
#
# onto the relay. In the one step in which a gate spike arrives, the bias is cancelled
# and half of the threshold is added: the relay is *open*, at 512 of 1024. A gate alone
# does not fire it. But now a single spike over a synapse of weight 520, called a
# **copy**, is enough: $512 + 520 = 1032$.
#
# Four relays, told four different things. Like most synapses of this book, `copy` and
# `gate` are kinds with a name, and stand in the lines by it.

# %%
names = ["nothing", "copied", "gated", "both"]
four = tiny(
    """
    input  copied both  copy
    g      gated both   gate
    """,
    dict.fromkeys(names, 1),
    {"input": 1, "g": 1},
)
once = np.zeros((6, 1), int)
once[2] = 1  # sent in step 2, so it arrives in step 3
run = watch(four, {"input": once, "g": once})

show(
    potentials(
        run, names, title="Four relays: which of them fires in step 3?", near=True
    ),
    "A relay sits at -8192, far below this picture. A copied spike (520) alone changes "
    "nothing that can be seen here, a gate (8704) alone lifts it to 512. Only both "
    "together reach 1032 and make it fire.",
)

# %%
lifted = {
    name: run.u[name][3, 0] // loihi.SCALE + RELAY.bias // loihi.SCALE for name in names
}
print(lifted)
assert lifted == {"nothing": -8192, "copied": -7672, "gated": 512, "both": 1032}
assert [bool(run.spikes[name][3, 0]) for name in names] == [False, False, False, True]

# %% [markdown]
# So a relay is an AND of *what* and *when*: it passes a spike on if one arrives, and
# only in the step in which its gate is open. Everything else in this book is made of
# that.
#
# ## Three ways to open it
#
# An open relay is a comparison. Whatever arrives besides the gate, an input $a$, fires
# it if $512 + a > 1024$, that is if $a > 512$. By choosing how far the gate lifts it,
# we choose with what the input is compared:
#
# | opened by | lifted to | fires if | called |
# |---|---|---|---|
# | `gate` (8704) | 512, half the threshold | $a > 512$ | $h$: "above ½" |
# | `gate` and `gate_lt` (512 more) | 1024, the threshold | $a > 0$ | $h_<$: "above 0" |
# | `gate_gt` (8192) instead | 0 | $a > 1024$ | $h_>$: "above 1" |
#
# With 1024 as the unit these are comparisons with ½, 0 and 1, which is how the paper
# names them. We check them for 192 inputs at once, with one neuron for each.

# %%
a = 16 * np.arange(-64, 128)
size = len(a)
opened = ["h<", "h", "h>"]
asked = tiny(
    """
    input  h< h h>  W
    g      h< h     gate
    g      h<       gate_lt
    g      h>       gate_gt
    """,
    dict.fromkeys(opened, size),
    {"input": 1, "g": 1},
    weights=held,
    matrices=[Parameter("W", size, 1)],
)
run = watch(
    asked,
    {"input": [[1], [0]], "g": [[1], [0]]},
    {"W": (a // 8).reshape(-1, 1)},
)
fires = {name: run.spikes[name][1].astype(int) for name in opened}

show(
    curves(
        a,
        fires,
        steps=True,
        xlabel="input a",
        ylabel="fires",
        title="One neuron, three questions",
        marks={"0": 0, "½": 512, "1": 1024},
    ),
    "Does it fire? The same neuron with the same input, opened in three ways, "
    "compares the input with 0, with 512 (½) and with 1024 (1).",
)

assert (fires["h<"] == (a > 0)).all()
assert (fires["h"] == (a > 512)).all()
assert (fires["h>"] == (a > 1024)).all()

# %% [markdown]
# (Read $h_<$ as $0 < a$ and $h_>$ as $a > 1$.) Keep the two in mind. A neuron that is
# above 0 and not above 1 lies within half a unit of ½, where its answer flips: this
# pair will be the derivative that backpropagation needs.
#
# ## Two more facts of the chip
#
# **The refractory time.** A relay is dead for one step after a spike. Told to fire in
# every step, it fires in every second one.

# %%
resting = tiny("input n copy\ng n gate", {"n": 1}, {"input": 1, "g": 1})
always = np.ones((8, 1), int)
run = watch(resting, {"input": always, "g": always})
print("spikes in steps", *np.flatnonzero(run.spikes["n"]))
assert np.flatnonzero(run.spikes["n"]).tolist() == [1, 3, 5, 7]

# %% [markdown]
# **The register.** $u$ and $v$ are 24 bits wide. One more than the largest number is
# the smallest, and a closed relay is not closed to everything: an input above $8192 +
# 1024 = 9216$ fires it without any gate. Both limits are real, and a later page meets
# the second one.

# %%
assert loihi.wrap(2**23 - 1) == 2**23 - 1
assert loihi.wrap(2**23) == -(2**23)
limit = 1024 - RELAY.bias // loihi.SCALE
print("a closed relay fires by itself above", limit)
assert limit == 9216

# %% [markdown]
# ## Exercises
#
# 1. **AND.** Find a weight such that an open relay fires if *two* spikes arrive over
#    synapses of that weight, and not if only one does. Which weights would do?
# 2. **Veto.** A synapse of weight $-520$ cancels one copy. Does a relay that receives a
#    gate, one copy and one veto fire? How many copies does it take to overrule one
#    veto?
#
# Try before you look: put your answer in the place of the dots and run the cell. The
# check builds the circuit with it, runs it, and says what happened.
#
# <div class="sbp-figure" data-figure="puzzle" data-puzzle="and">On the page of the
# book, the first one can be answered here.</div>

# %% tags=["answer"]
# Exercise 1: a weight
answer = ...
check("and", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 1
# One spike must not be enough: 512 + w <= 1024.  Two must: 512 + 2 w > 1024.
# So 256 < w <= 512, and even, to be a mantissa times a power of two.  We try 300.
verdict = check("and", 300)
print(verdict)
assert verdict
for lines, fired in ((1, False), (2, True)):
    both = tiny("input n 300\ng n gate", {"n": 1}, {"input": lines, "g": 1})
    run = watch(both, {"input": np.ones((2, lines), int), "g": [[1], [0]]})
    print(
        lines, "spikes of weight 300:", "fires" if run.spikes["n"][1, 0] else "silent"
    )
    assert run.spikes["n"][1, 0] == fired

# %% tags=["answer"]
# Exercise 2: how many copies, at least
answer = ...
check("veto", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 2
# 512 + 520 - 520 = 512 is not above 1024: silent.  Two copies are enough: 1032.
verdict = check("veto", 2)
print(verdict)
assert verdict
for copies, fired in ((1, False), (2, True)):
    lines = "input n copy\n" * copies + "stop n veto\ng n gate"
    overruled = tiny(lines, {"n": 1}, {"input": 1, "stop": 1, "g": 1})
    run = watch(overruled, {name: [[1], [0]] for name in ("input", "stop", "g")})
    print(copies, "against one veto:", "fires" if run.spikes["n"][1, 0] else "silent")
    assert run.spikes["n"][1, 0] == fired

# %% [markdown]
# ## Summary
#
# - A Loihi neuron is integer arithmetic: decay, add, compare, fire. We predicted it
#   exactly.
# - Without memory ($d_u = d_v = 4096$) it is a comparison of the inputs of one step.
# - A **relay** (bias $-8192$) is closed until a **gate** lifts it, as a rule to
#   half of its threshold.
# - How far it is lifted decides what the input is compared with: 0, ½ or 1.
#
# Next: [who sends the gate spikes?](02_gating_chain.ipynb)
