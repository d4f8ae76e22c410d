# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A copy, a memory and two thresholds
#
# Backpropagation asks three things of a network that a spiking neuron does not have: it
# must *remember* its inputs until the error comes back, it must know its *derivative*
# there, and it must *multiply* the error by it. This page builds all three from
# [relays](../book/notation.md#term-relay).
#
# **You will**
# - make a memory out of a detour,
# - compare an input with two thresholds at once and find a derivative between them,
# - multiply, by letting neurons be each other's [gates](../book/notation.md#term-gate).
#
# **You need** [the Loihi neuron](01_neuron.ipynb) and [the gating
# chain](02_gating_chain.ipynb). **Reading time:** 10 minutes. **Running time:** a few
# seconds.

# %%
import numpy as np

from sbp.app.exercises import PATTERN, check
from sbp.app.notebook import show
from sbp.circuits.lines import circuit
from sbp.engines import reference
from sbp.plots import raster
from sbp.plots.charts import curves
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import MatrixWeight, Parameter

# %% quick={"UNITS": 48} tags=["parameters"]
UNITS = 192  # 2 to 1000: inputs at which the thresholds are tried, side by side


# %% [markdown]
# A small helper, so that each example below is only its lines: it runs one
# [sample](../book/notation.md#term-sample).


# %%
def run_once(circuit, weights=None, **stimulus):
    """One sample through the reference engine, spikes recorded."""
    program = lower(circuit)
    rows = {name: np.reshape(train, (1, -1)) for name, train in stimulus.items()}
    return reference.run(program, program.state(weights), rows, record=ALL_SPIKES)


# %% [markdown]
# ## Memory is a detour
#
# These neurons forget everything in one step. But a *synapse* may be slow: on Loihi
# each one can hold its spike back for up to 62 extra steps. So a spike train that is
# needed later is sent on a detour: `x` copies itself to `x_mem` with four extra steps,
# and `x_mem` hands it back, once at once and once four steps later.
#
# In the [ring](../book/notation.md#term-ring) of twelve that the full circuit will use,
# `x` fires at $p = 1$, `x_mem` at $p = 6$, and `x` again at $p = 7$ and $p = 11$, just
# when its synapses must learn.

# %%
smile = np.array([int(bit) for bit in PATTERN])
memory = circuit(
    """
    input  x      copy
    x      x_mem  copy 4     # four steps later than usual
    x_mem  x      copy 0 4   # twice
    g1     x      gate
    g7     x      gate
    g11    x      gate
    g6     x_mem  gate
    """,
    sizes={"x": 25, "x_mem": 25},
    sources={"input": (25, 0)},
    ring=12,
)
run = run_once(memory, input=smile)

show(
    raster(run, title="Remembered on the way round"),
    "The input comes back twice. Between phases 1 and 6 it exists only as spikes on "
    "their way: no neuron holds it.",
)
for name, phases in (("x", [1, 7, 11]), ("x_mem", [6])):
    assert run.spikes[name].any(axis=1).nonzero()[0].tolist() == phases
    assert (run.spikes[name][phases] == smile).all()

# %% [markdown]
# Why does `x` not simply send itself a late copy? Because each of its three firings
# would send one. Through `x_mem`, which is open once in a turn, only the first is
# remembered. (Exercise 1 shows what goes wrong without it.)
#
# ## What is the derivative of a spike?
#
# A neuron's answer is a step: 0 up to an input of ½, 1 above (in thresholds; the gate
# gives the other half). Its slope is zero
# everywhere, and learning by slopes is stuck. The way out is old and simple: for
# learning, *pretend* that the answer rises in a straight line, from 0 where the input
# is 0 to 1 where it is 1,
#
# $$
# f(a) = \min(\max(a, 0), 1), \qquad f'(a) = 1 \text{ if } 0 < a \le 1, \text{ else } 0.
# $$
#
# $f$ is a ramp (a truncated ReLU), and its slope is called a
# *[straight-through](../book/notation.md#term-straight-through-derivative)* or
# *surrogate* derivative ([Neftci, Mostafa and Zenke,
# 2019](https://doi.org/10.1109/MSP.2019.2931595)). At $a = 1$, where the ramp bends,
# the circuit counts the slope as 1. It is a box: only a neuron near the point of
# changing its mind is asked to learn.

# %%
a = np.linspace(-1, 2, 121)
step, ramp = (a > 0.5).astype(float), np.clip(a, 0, 1)
box = ((a > 0) & (a <= 1)).astype(float)
show(
    curves(
        a,
        {"answer": step, "pretended": ramp, "slope": box},
        xlabel="input a, in thresholds",
        ylabel="",
        title="A step, the ramp it is taken for, and the ramp's slope",
        marks={"0": 0, "½": 0.5, "1": 1},
    ),
    "The answer of a neuron (solid) is a step at ½. For learning it is taken for a "
    "ramp (dashed), whose slope is a box from 0 to 1 (dash-dotted).",
)

# %% [markdown]
# And a box is what two relays can tell: one opened to compare with 0 ($h_<$), one with
# 1 ($h_>$). Above 0 *and not* above 1 is a copy and a veto, onto a third
# [population](../book/notation.md#term-population), `h_box`:
#
# $$ h_{\text{box}} = h_< \wedge \neg\, h_> $$
#
# We give each neuron a different input, from $-1024$ to 2032, and read all four
# populations.

# %%
inputs = 2 * np.linspace(-64, 127, UNITS).astype(int)  # mantissas; times 8 below
assert (8 * inputs.min(), 8 * inputs.max()) == (-1024, 2032)
thresholds = circuit(
    """
    input  h h< h>  W
    h<     h_box    copy
    h>     h_box    veto
    g1     h h<     gate
    g1     h<       gate_lt
    g1     h>       gate_gt
    g2     h_box    gate
    """,
    sizes=dict.fromkeys(("h", "h<", "h>", "h_box"), UNITS),
    sources={"input": (1, 0)},
    ring=4,
    matrices=[Parameter("W", UNITS, 1)],
    weights={"W": MatrixWeight("W", exponent=3, plastic=False)},
)
run = run_once(thresholds, {"W": inputs.reshape(-1, 1)}, input=[1])
fires = {name: run.spikes[name][1].astype(int) for name in ("h<", "h", "h>")}
fires["h_box"] = run.spikes["h_box"][2].astype(int)

show(
    curves(
        8 * inputs,
        fires,
        steps=True,
        xlabel="input a, weight units",
        ylabel="fires",
        title="The derivative, in spikes",
        marks={"0": 0, "½": 512, "1": 1024},
    ),
    "Three comparisons of the same input and, in the step after, their difference: "
    "h_box fires where the input lies above 0 and not above 1024. That is the box.",
)
assert (fires["h_box"] == ((8 * inputs > 0) & (8 * inputs <= 1024))).all()

# %% [markdown]
# <div class="sbp-figure" data-figure="thresholds">On the page of the book, a figure
# stands here: three thresholds to move, and the derivative that two of them
# make.</div>
#
# ## Multiplication is a gate
#
# Backpropagation now multiplies the error that arrives at a hidden neuron by the
# derivative there. Both are 0 or 1, so their product is AND, and AND is what a gate
# does. The only new thing: this gate is not in the ring. `h_box` opens `h`, **neuron by
# neuron**, and the error reaches `h` as a copy. What passes is the product.

# %%
rng = np.random.default_rng(5)
error, derivative = rng.random((2, 8, 8)) < 0.5
product = circuit(
    """
    error       h      copy
    h_box       h      gate one-to-one
    derivative  h_box  copy
    g1          h_box  gate
    """,
    sizes={"h_box": 64, "h": 64},
    sources={"derivative": (64, 0), "error": (64, 1)},
    ring=4,
)
run = run_once(product, derivative=derivative, error=error)
show(
    raster(
        run,
        title="The product of two spike patterns",
        populations=["error", "h_box", "h"],
    ),
    "The error is sent at phase 1, h_box fires in the same step and opens h one step "
    "later, but only the neurons it stands for. What gets through is the product of "
    "the two.",
)
assert (run.spikes["h"][2] == (error & derivative).ravel()).all()

# %% [markdown]
# In this circuit nothing is ever multiplied by anything: not the error by the
# derivative here, not inputs by weights (a spike *adds* a weight), and not errors by
# inputs, as the next page shows.
#
# ## Exercises
#
# 1. **A memory that repeats itself.** Replace the detour by a copy from `x` to itself,
#    with 5 extra steps, so that `x` fires at 1 and at 7. In which
#    [phases](../book/notation.md#term-phase) of the next sample does it fire, if
#    nothing is sent there?
# 2. **Either, but not both.** One threshold neuron cannot tell whether exactly one of
#    its two inputs fires; that XOR has no line between its answers is a famous
#    complaint. Make it from $h_<$, $h_>$ and `h_box`. Which weight do the two inputs
#    need?
#
# <div class="sbp-figure" data-figure="puzzle" data-puzzle="xor">On the page of the
# book, the second one can be answered here.</div>

# %% tags=["answer"]
# Exercise 1: a list of phases
answer = ...
check("echo", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 1
# x at 1 returns at 7, the firing at 7 returns at 13: that is p = 1 of the next
# sample.
verdict = check("echo", [1, 7])
print(verdict)
assert verdict
echo = circuit(
    "input x copy\nx x copy 5\ng1 x gate\ng7 x gate",
    sizes={"x": 25},
    sources={"input": (25, 0)},
    ring=12,
)
program = lower(echo)
two = np.stack([smile, np.zeros(25, int)])  # the second sample is empty
run = reference.run(program, program.state(), {"input": two}, record=ALL_SPIKES)
show(
    raster(run, samples=slice(0, 2), title="An echo", populations=["x"]),
    "Without a separate memory the first picture returns in phase 1 of the second "
    "sample, where nothing was sent.",
)
assert (run.spikes["x"][12 + 1] == smile).all()

# %% tags=["answer"]
# Exercise 2: a weight
answer = ...
check("xor", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 2
# One spike must be above 0 and not above 1024, two must be above 1024: 512 < w <=
# 1024, a multiple of 4. The copy's 520 is one.
verdict = check("xor", 520)
print(verdict)
assert verdict
xor = circuit(
    """
    one  h< h>  copy
    two  h< h>  copy
    h<   h_box  copy
    h>   h_box  veto
    g1   h<     gate
    g1   h<     gate_lt
    g1   h>     gate_gt
    g2   h_box  gate
    """,
    sizes=dict.fromkeys(("h<", "h>", "h_box"), 1),
    sources={"one": (1, 0), "two": (1, 0)},
    ring=4,
)
for first, second in ((0, 0), (0, 1), (1, 0), (1, 1)):
    run = run_once(xor, one=[first], two=[second])
    answer = int(run.spikes["h_box"][2, 0])
    print(first, "xor", second, "=", answer)
    assert answer == first ^ second

# %% [markdown]
# ## Summary
#
# - Memory is a delayed copy to a second population that is open once in a turn.
# - The derivative of the pretended ramp is a box, and a box is $h_< \wedge \neg h_>$:
#   two thresholds, one veto.
# - A product of spikes is a gate from one population to another, neuron by neuron.
#
# Next: [learning](04_single_layer.ipynb).
