# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The gating chain
#
# A [relay](../book/notation.md#term-relay) fires only while its
# [gate](../book/notation.md#term-gate) is open. So who opens the gates? More neurons: a
# **[ring](../book/notation.md#term-ring)**, in which one spike runs round for ever and
# is the clock, the [program](../book/notation.md#term-program) counter and the memory
# of where we are. This page builds it, sends a picture along a chain of relays, chooses
# where a picture goes, and then breaks it.
#
# **You will**
# - close gate neurons to a ring and see its one spike go round,
# - hand a pattern from [population](../book/notation.md#term-population) to population,
#   one step each, without losing a bit,
# - route the same spikes to one place or another by time alone,
# - take one synapse, and one spike, away and see what is left.
#
# **You need** [the Loihi neuron](01_neuron.ipynb). **Reading time:** 15 minutes.
# **Running time:** a few seconds.

# %%
from dataclasses import replace

import numpy as np

from sbp.app.exercises import PATTERN, check
from sbp.app.notebook import show
from sbp.circuits import gating_chain
from sbp.circuits.lines import circuit
from sbp.engines import reference
from sbp.plots import circuit_diagram, raster
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import MatrixWeight, Parameter, Projection

# %% quick={"STAGES": 4} tags=["parameters"]
STAGES = 4  # 2 to 12: relay populations in the chain
TURNS = 3  # 1 to 20: how often the ring goes round where we watch it for longer

# %% [markdown]
# ## A ring and a chain
#
# A gate neuron has no bias, so a synapse of weight 9280 fires it alone. Let `g0` fire
# `g1`, `g1` fire `g2`, and the last one `g0` again; start it with a single spike from
# outside, the **[kick](../book/notation.md#term-kick)**. From then on exactly one gate
# fires in every step. Groups of neurons that pass activity on like this are a *synfire
# chain*. One such chain that opens and closes another one makes a *synfire-gated
# synfire chain* ([Wang, Sornborger and Tao, 2016](
# https://doi.org/10.1371/journal.pcbi.1004979)): that is our machine.
#
# Next to the ring we put a chain of relay populations `s1`, `s2`, ...: each one copies
# its spikes, neuron by neuron, to the next, and gate `gk` opens stage `sk`.

# %%
smile = np.array([int(bit) for bit in PATTERN]).reshape(5, 5)
chain = gating_chain(size=25, stages=STAGES)
print(chain.summary())

# %%
show(
    circuit_diagram(chain),
    "The gating chain. Above, populations of 25 relays, each copied to the next; the "
    "small number in a box is the gate that opens it. Below, the ring of gates, "
    "started by the kick.",
)

# %% [markdown]
# The pattern is given to `s1` from outside; then nobody touches anything any more.

# %%
program = lower(chain)
run = reference.run(
    program,
    program.state(),
    {"input": smile.reshape(1, -1)},
    record=ALL_SPIKES,
    strict=True,
)
show(
    raster(run, title="A picture travels along the chain"),
    "One turn of the ring. Time runs to the right; each population of 25 is drawn as "
    "a small picture in the step in which it fires. In every step one gate fires; all "
    "but g0 open a stage in the next step.",
)

for k in range(1, STAGES + 1):
    assert (
        run.spikes[f"s{k}"][k] == smile.ravel()
    ).all()  # in stage k after k steps ...
    assert run.spikes[f"s{k}"].sum() == smile.sum()  # ... and at no other time
assert all(
    sum(run.spikes[f"g{k}"][step, 0] for k in range(STAGES + 1)) == 1
    for step in range(program.period)
)

# %% [markdown]
# In lines, the way the last page wrote its circuits, four stages of it are
#
# ```
# input  s1  copy        g1  s1  gate
# s1     s2  copy        g2  s2  gate
# s2     s3  copy        g3  s3  gate
# s3     s4  copy        g4  s4  gate
# ```
#
# and the ring of five gates, `g0` to `g4`, is added by saying how long it is.
#
# In stage $k$ after exactly $k$ steps, and nowhere else. Nothing fades on the way: each
# stage decides afresh, spike or no spike, so small disturbances do not add up.
#
# <div class="sbp-figure" data-figure="chain">On the page of the book, a figure stands
# here: the chain, step by step, whose gates can be cut with a click.</div>
#
# ## Several patterns at once
#
# Nothing says that the ring must be as long as the chain. With a ring of three gates,
# gate `g1` opens `s1`, `s4`, `s7` ... together, and a new pattern can enter every three
# steps while the old ones are still travelling.

# %%
patterns = np.stack([smile, smile[::-1], smile.T]).reshape(3, -1)
busy = lower(gating_chain(size=25, stages=6, ring=3))
run = reference.run(
    busy, busy.state(), {"input": patterns}, steps=15, record=ALL_SPIKES
)

show(
    raster(run, samples=slice(0, 5), title="Three patterns in one chain"),
    "A ring of three gates carries three patterns through six stages, three steps "
    "apart. With more than two samples in the picture, each population has one row "
    "per neuron.",
)
for sample, pattern in enumerate(patterns):
    for k in range(1, 7):
        assert (run.spikes[f"s{k}"][3 * sample + k] == pattern).all()

# %% [markdown]
# ## Routing by time
#
# Gates choose not only *when* but *where to*. Below, `x` copies its spikes to both
# `left` and `right`, always. In a ring of six, `x` fires twice, in steps 1 and 4; `g2`
# opens `left`, `g5` opens `right`. A number after the kind of synapse is an extra
# delay: `copy 0 3` is two copies, one at once and one three steps later.

# %%
junction = circuit(
    """
    input  x           copy 0 3   # the input arrives twice, in steps 1 and 4
    x      left right  copy
    g1     x           gate
    g4     x           gate
    g2     left        gate
    g5     right       gate
    """,
    sizes=dict.fromkeys(("x", "left", "right"), 25),
    sources={"input": (25, 0)},
    ring=6,
    name="junction",
)
program = lower(junction)
run = reference.run(
    program,
    program.state(),
    {"input": smile.reshape(1, -1)},
    record=ALL_SPIKES,
    strict=True,
)
show(
    raster(run, title="The same spikes, sent left, then right"),
    "Both targets receive every spike of x. The one whose gate is open relays it, the"
    " other one stays silent: an address is a point in time.",
)
assert run.spikes["left"].any(axis=1).nonzero()[0].tolist() == [2]
assert run.spikes["right"].any(axis=1).nonzero()[0].tolist() == [5]

# %% [markdown]
# This is how one set of neurons can do several jobs. In the full circuit the hidden
# layer $h$ will carry its own answer in one step, a memory of it in another, and the
# error in a third.
#
# ## What breaks it
#
# **One synapse missing.** We remove the synapses from `g2` to `s2` and keep everything
# else.

# %%
broken = replace(
    chain,
    projections=tuple(
        p for p in chain.projections if (p.source, p.target) != ("g2", "s2")
    ),
)
program = lower(broken)
run = reference.run(
    program, program.state(), {"input": smile.reshape(1, -1)}, record=ALL_SPIKES
)
show(
    raster(run, title="The gate of stage 2 is missing"),
    "Stage 1 fires, its copies arrive at stage 2, and stage 2 is closed: it has no "
    "box. The gates of the later stages open as before, but nothing arrives there. The "
    "pattern is lost for good.",
)
assert run.spikes["s1"].any()
assert not any(run.spikes[f"s{k}"].any() for k in range(2, STAGES + 1))

# %% [markdown]
# **One spike missing.** The ring is a chain as well, and it has only one spike. We let
# it go round once, take that spike away on its way to the next gate, and give a new
# pattern in every turn.

# %%
program = lower(chain)
turns = np.tile(smile.reshape(1, -1), (TURNS, 1))
first = reference.run(program, program.state(), {"input": turns[:1]}, record=ALL_SPIKES)

state = first.state.copy()
on_its_way = state.pending.any(axis=1)
state.pending[:] = (
    0  # whatever was on its way to any neuron: here, the spike from g0 to g1
)
run = reference.run(program, state, {"input": turns}, record=ALL_SPIKES)
print(
    "spikes in the first turn:",
    sum(int(first.spikes[p.name].sum()) for p in chain.populations),
)
print(
    f"in {TURNS} turns after it:",
    sum(int(run.spikes[p.name].sum()) for p in chain.populations),
)
assert on_its_way.any()
assert not any(run.spikes[p.name].any() for p in chain.populations)

# %% [markdown]
# A spike lost in the chain loses one pattern; a spike lost in the ring stops the
# machine. That is the price of a clock made of neurons. On a digital chip spikes are
# not lost, and [a later page](08_what_breaks_it.ipynb) asks what happens if they are.
#
# ## Exercises
#
# 1. **The shortest ring.** Which is the shortest ring that can carry patterns, and why?
#    Let it carry a new pattern in every turn through six stages.
# 2. **A chain that computes.** A copy is the identity matrix times 520. Replace the
#    copies between two stages by a matrix that moves every pixel one column to the
#    right, the last column to the first, and see the picture go round. (520 is $130
#    \cdot 2^2$: a matrix of 0 and 130 with exponent 2. Row $i$ holds the weights onto
#    neuron $i$.)
# 3. **Mend it.** In the lines of the last answer cell one gate is wrong, and the
#    picture is lost. Mend one line.
#
# <div class="sbp-figure" data-figure="puzzle" data-puzzle="ring">On the page of the
# book, the first one can be answered here.</div>
#
# <div class="sbp-figure" data-figure="puzzle" data-puzzle="mend">On the page of the
# book, so can the third.</div>

# %% tags=["answer"]
# Exercise 1: how many gates
answer = ...
check("ring", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 1
# Two gates: a relay is dead for one step after a spike, so it can relay in every
# second step.
verdict = check("ring", 2)
print(verdict)
assert verdict
program = lower(gating_chain(size=25, stages=6, ring=2))
patterns = np.stack([smile, smile[::-1], smile.T, 1 - smile]).reshape(4, -1)
run = reference.run(
    program, program.state(), {"input": patterns}, steps=14, record=ALL_SPIKES
)
for sample, pattern in enumerate(patterns):
    assert (run.spikes["s6"][2 * sample + 6] == pattern).all()
print("4 patterns, 2 steps apart, arrive whole after 6 steps")

# %% tags=["answer"]
# Exercise 2: the matrix, 25 x 25
answer = ...
check("shift", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 2
# Row i of the matrix holds the weights onto neuron i.
pixel = np.arange(25).reshape(5, 5)
shift = np.zeros((25, 25), int)
shift[np.roll(pixel, 1, axis=1).argsort(axis=None), pixel.ravel()] = 130
verdict = check("shift", shift)
print(verdict)
assert verdict
matrix = MatrixWeight("shift", exponent=2, plastic=False)
moving = replace(
    chain,
    projections=tuple(
        Projection(p.source, p.target, "matrix", matrix, "all-to-all")
        if p.source.startswith("s")
        else p
        for p in chain.projections
    ),
    parameters=(Parameter("shift", 25, 25),),
)
program = lower(moving)
run = reference.run(
    program,
    program.state({"shift": shift}),
    {"input": smile.reshape(1, -1)},
    record=ALL_SPIKES,
)
for k in range(1, STAGES + 1):
    assert (run.spikes[f"s{k}"][k].reshape(5, 5) == np.roll(smile, k - 1, axis=1)).all()
show(
    raster(
        run,
        title="A chain of shifts",
        populations=[f"s{k}" for k in range(1, STAGES + 1)],
    ),
    "With a matrix in place of each copy the chain computes: the picture moves one "
    "column to the right in every stage.",
)

# %% tags=["answer"]
# Exercise 3: mend one of these lines, then let the answer be `text`
text = """
input  s1  copy
s1     s2  copy
s2     s3  copy
s3     s4  copy
g1     s1  gate
g2     s2  gate
g1     s3  gate
g4     s4  gate
"""
answer = ...
check("mend", answer)

# %% cellView="form" jupyter={"source_hidden": true} tags=["hide-cell"]
# @title Solution 3
# s3 must be open in step 3, and g3 is the gate that opens what belongs there.
mended = """
input  s1  copy
s1     s2  copy
s2     s3  copy
s3     s4  copy
g1     s1  gate
g2     s2  gate
g3     s3  gate
g4     s4  gate
"""
verdict = check("mend", mended)
print(verdict)
assert verdict

# %% [markdown]
# ## Summary
#
# - A ring of gates passes one spike round: a clock made of neurons.
# - Each gate opens a population for one step. What was sent to it in time is relayed,
#   whole; what was not is forgotten.
# - The same synapses carry different things at different times: **gating is addressing
#   by time**.
# - Lose a gate and the pattern is lost; lose the ring's spike and everything stops.
#
# Next: [a copy, a memory, and two thresholds that make a
# derivative](03_copy_and_memory.ipynb).
