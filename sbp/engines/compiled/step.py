"""One step of the chip as kernels: `run_steps` repeats its five parts.

The parts are compiled into one function, and only their loops are functions that are called, with
slices and numbers: handing over a tuple of arrays counts a reference to each, which costs more than
the work.
"""

from __future__ import annotations

import numpy as np

from sbp.engines.compiled.layout import MATRIX
from sbp.kernels import jit
from sbp.loihi import DECAY_UNIT, REGISTER_BITS, REGISTER_MAX, REGISTER_MIN
from sbp.program import ALL_TO_ALL, ONE_TO_ONE
from sbp.rows import add_saturating, spiking, sum_rows

MASK = (1 << REGISTER_BITS) - 1
OK, WRAPPED, STRAY = 0, 1, 2  # why the kernel stopped
LONGEST = 64  # steps after which no neuron is dead any more
NONE = 1 << 62


# --- loops over neurons and weights ---------------------------------------------------------------
# These are called with slices, and with numbers instead of rows of a table.


@jit(inline="always")
def _decay(value, rate):
    kept = (abs(value) * (DECAY_UNIT - rate)) >> 12
    return kept if value >= 0 else -kept


@jit
def _fill(values, value):
    for j in range(values.shape[0]):
        values[j] = value


@jit
def _copy(values, others):
    for j in range(values.shape[0]):
        values[j] = others[j]


@jit
def _add(sums, values, factor):
    """``sums += factor * values``; exact wherever the result fits."""
    factor = sums.dtype.type(factor)
    for j in range(sums.shape[0]):
        sums[j] += factor * sums.dtype.type(values[j])


@jit
def _begin(sums, values, factor, to_all):
    """``sums = to_all + factor * values``."""
    factor, to_all = sums.dtype.type(factor), sums.dtype.type(to_all)
    for j in range(sums.shape[0]):
        sums[j] = to_all + factor * sums.dtype.type(values[j])


@jit
def _mark(marks, train):
    for j in range(marks.shape[0]):
        marks[j] |= train[j]


@jit
def _sum(values):
    total = 0
    for j in range(values.shape[0]):
        total += values[j]
    return total


@jit
def _extent(values):
    """The least and the largest of `values` and 0."""
    low, high = values.dtype.type(0), values.dtype.type(0)
    for j in range(values.shape[0]):
        low, high = min(low, values[j]), max(high, values[j])
    return np.int64(low), np.int64(high)


@jit
def _same(train, other):
    different = np.uint8(0)
    for j in range(train.shape[0]):
        different = np.uint8(different | np.uint8(train[j] ^ other[j]))
    return different == 0


@jit
def _show(train, shown, active):
    """Keep `train` and list the neurons that spiked; returns their number."""
    for j in range(train.shape[0]):
        shown[j] = train[j]
    return spiking(train, active)


@jit
def _fire(current, dead, train, least, refractory, gap):
    """Rules 1-3 where nothing of u and v is carried over and nothing wraps; u and v are left out.

    Without branches on 32-bit lanes, so that it runs on vector registers.  Returns the number of
    spikes.
    """
    least, refractory, gap = np.int32(least), np.int32(refractory), np.int32(gap)
    spikes = np.int32(0)
    for j in range(current.shape[0]):
        remaining = np.int32(max(np.int32(dead[j] - gap), np.int32(0)))
        spike = np.int32((current[j] > least) & (remaining == 0))
        dead[j] = remaining | np.int32(refractory * spike)
        train[j] = np.uint8(spike)
        spikes = np.int32(spikes + spike)
    return np.int64(spikes)


@jit
def _keep_registers(current, dead, u, v, bias):
    """U and v after `_fire`."""
    bias = np.int32(bias)
    for j in range(current.shape[0]):
        u[j] = current[j]
        v[j] = np.int32(0) if dead[j] else np.int32(current[j] + bias)


@jit
def _update(arrived, u, v, dead, train, bias, threshold, refractory, du, dv, gap):
    """Rules 1-3 for any neuron; returns spikes, register wraps, and whether anything changed."""
    spikes, wraps, changed = 0, 0, False
    for j in range(arrived.shape[0]):
        total = _decay(np.int64(u[j]), du) + arrived[j]
        current = ((total - REGISTER_MIN) & MASK) + REGISTER_MIN
        wraps += total != current
        remaining = max(np.int64(dead[j]) - gap, 0)
        membrane = np.int64(0)
        if remaining == 0:
            membrane = _decay(np.int64(v[j]), dv) + current + bias
        potential = ((membrane - REGISTER_MIN) & MASK) + REGISTER_MIN
        wraps += membrane != potential
        spike = remaining == 0 and potential > threshold
        if spike:
            potential = np.int64(0)
            remaining = refractory
        changed |= remaining != 0 or current != u[j] or potential != v[j]
        u[j] = current
        v[j] = potential
        dead[j] = remaining
        train[j] = spike
        spikes += spike
    return spikes, wraps, changed


@jit
def _learn_rows(rows, active, count, train, change, half_dw):
    """Change the weights between neurons that spiked; the int8 saturates as the chip's weight."""
    for j in range(train.shape[0]):
        change[j] = half_dw * np.int8(train[j])
    for j in range(train.shape[0], change.shape[0]):
        change[j] = 0
    for k in range(count):
        add_saturating(rows[active[k]], change)


@jit
def _idle(v, dead, bias, gap):
    """The membrane potentials that an idle step leaves, `gap` steps after `dead` was written."""
    for j in range(v.shape[0]):
        v[j] = 0 if dead[j] > gap else bias


# --- the five parts of a step ---------------------------------------------------------------------
# `line` is where the spikes of this step go, `slot` where those arrive that arrive in this step.


@jit(inline="always")
def _back(line, steps, lines):
    """The line of the delay line `steps` before `line`."""
    line -= steps
    return line if line >= 0 else line + lines


@jit(inline="always")
def _ahead(slot, steps, slots):
    """The slot `steps` after `slot`."""
    slot += steps
    return slot if slot < slots else slot - slots


@jit(inline="always")
def _gather(code, memory, population, i, line, slot, sums):
    """Add up what arrives at every neuron of a population."""
    size, lines = population.stop - population.start, memory.counts.shape[0]
    to_all, begun = memory.coming[slot, i].to_all, False
    for r in range(population.first_in, population.last_in):
        arrival = code.arrivals[r]
        then = _back(line, 1 + arrival.delay, lines)
        if memory.counts[then, arrival.source] == 0:
            continue
        if arrival.connect == ONE_TO_ONE:
            start = code.senders[arrival.source].start
            if begun:
                _add(sums[:size], memory.trains[then, start : start + size], arrival.add)
            else:
                _begin(sums[:size], memory.trains[then, start : start + size], arrival.add, to_all)
            begun = True
        elif arrival.connect == MATRIX and arrival.delay == 0:
            start = code.matrices[memory.like[arrival.matrix]].total
            if begun:
                _add(sums[:size], memory.totals[start : start + size], arrival.add)
            else:
                _begin(sums[:size], memory.totals[start : start + size], arrival.add, to_all)
            begun = True
    if not begun:
        _fill(sums[:size], to_all)
    if memory.coming[slot, i].carried:
        _add(sums[:size], memory.carried[slot, population.start : population.stop], 1)


@jit(inline="always")
def _count_reached(code, memory, population, i, line, slot):
    """At how many neurons something arrives, one to one from several senders."""
    size, lines = population.stop - population.start, memory.counts.shape[0]
    _fill(memory.marks[:size], 0)
    if memory.coming[slot, i].carried:
        _mark(memory.marks[:size], memory.marked[slot, population.start : population.stop])
    for r in range(population.first_in, population.last_in):
        arrival = code.arrivals[r]
        then = _back(line, 1 + arrival.delay, lines)
        if arrival.connect == ONE_TO_ONE and memory.counts[then, arrival.source]:
            start = code.senders[arrival.source].start
            _mark(memory.marks[:size], memory.trains[then, start : start + size])
    return _sum(memory.marks[:size])


@jit(inline="always")
def _integrate(code, memory, tally, now, p, line, slot, look):
    """Rules 1-3, population by population; returns the first whose registers wrapped, or `NONE`.

    Where nothing that arrives can fire a neuron, nothing is added up, unless `look` asks for u, v.
    """
    wrapped = NONE
    for i in range(code.populations.shape[0]):
        population, coming = code.populations[i], memory.coming[slot, i]
        memory.counts[line, i] = 0
        if coming.any == 0 and (population.quiet or memory.resting[i]):
            continue
        a, b, bias = population.start, population.stop, population.bias
        low, high = coming.to_all + coming.low, coming.to_all + coming.high
        fits = low + min(bias, 0) >= REGISTER_MIN and high + max(bias, 0) <= REGISTER_MAX
        if coming.any:
            if coming.whole:
                tally.active[p, i] += b - a
            elif coming.single == 1 and not coming.carried:
                tally.active[p, i] += coming.some
            else:
                tally.active[p, i] += _count_reached(code, memory, population, i, line, slot)
        gap = min(now - memory.seen[i], LONGEST)
        if not (population.memoryless and fits):
            _gather(code, memory, population, i, line, slot, memory.arrived)
            spikes, wraps, changed = _update(
                memory.arrived[: b - a], memory.u[a:b], memory.v[a:b], memory.dead[a:b],
                memory.trains[line, a:b], bias, population.threshold, population.refractory,
                population.du, population.dv, gap,
            )  # fmt: skip
            memory.resting[i] = not changed and wraps == 0 and coming.any == 0
            memory.seen[i] = now
            memory.counts[line, i] = spikes
            if wraps:
                tally.wraps[p, i] += wraps
                wrapped = min(wrapped, i)
        elif look or high + bias > population.threshold:
            _gather(code, memory, population, i, line, slot, memory.current)
            memory.seen[i] = now
            memory.counts[line, i] = _fire(
                memory.current[: b - a], memory.dead[a:b], memory.trains[line, a:b],
                population.threshold - bias, population.refractory, gap,
            )  # fmt: skip
            if look:
                _keep_registers(
                    memory.current[: b - a], memory.dead[a:b], memory.u[a:b], memory.v[a:b], bias
                )
        if coming.any:
            if coming.carried:
                _fill(memory.carried[slot, a:b], 0)
                _fill(memory.marked[slot, a:b], 0)
            coming.any = coming.whole = coming.single = coming.some = coming.carried = 0
            coming.to_all = coming.low = coming.high = 0
        tally.spikes[p, i] += memory.counts[line, i]
    return wrapped


@jit(inline="always")
def _emit(code, memory, stimulus, row, p, line, by_step):
    """External spikes: row `row` of `stimulus`, if there is one."""
    first = memory.u.shape[0]
    for k in range(code.populations.shape[0], code.senders.shape[0]):
        sender = code.senders[k]
        memory.counts[line, k] = 0
        if sender.phase >= 0 and (by_step or sender.phase == p) and row < stimulus.shape[0]:
            a, b = sender.start, sender.stop
            _copy(memory.trains[line, a:b], stimulus[row, a - first : b - first])
            memory.counts[line, k] = _sum(memory.trains[line, a:b])


@jit(inline="always")
def _sum_rows(code, memory, k, count):
    """Add up the weights of the `count` spikes of sender `k`, for each of its matrices.

    The same spikes through the same matrix give the same sum: it is not added up again.
    """
    a, b = code.senders[k].start, code.senders[k].stop
    for m in range(code.senders[k].first_matrix, code.senders[k].last_matrix):
        if memory.like[m] == m and memory.summed[m] != memory.edition[k]:
            matrix = code.matrices[m]
            begin, wide, start = matrix.begin, matrix.wide, matrix.total
            sum_rows(
                memory.halves[begin : begin + (b - a) * wide].reshape(b - a, wide),
                memory.active[a:b], count, memory.partial[:wide],
                memory.totals[start : start + wide],
            )  # fmt: skip
            memory.low[m], memory.high[m] = _extent(memory.totals[start : start + wide])
            memory.summed[m] = memory.edition[k]


@jit(inline="always")
def _send(code, memory, line, slot):
    """Rule 4: say what arrives where, and read the weights of this moment."""
    slots = memory.coming.shape[0]
    for k in range(code.senders.shape[0]):
        count = memory.counts[line, k]
        if count == 0:
            continue
        sender = code.senders[k]
        if sender.first_matrix < sender.last_matrix:
            a, b = sender.start, sender.stop
            if not _same(memory.trains[line, a:b], memory.shown[a:b]):
                _show(memory.trains[line, a:b], memory.shown[a:b], memory.active[a:b])
                memory.edition[k] += 1
            _sum_rows(code, memory, k, count)
        for r in range(sender.first_post, sender.last_post):
            post = code.posts[r]
            then = _ahead(slot, 1 + post.delay, slots)
            coming = memory.coming[then, post.target]
            coming.any = 1
            if post.connect == ONE_TO_ONE:
                coming.single += 1
                coming.some = count
                coming.low += min(post.add, 0)
                coming.high += max(post.add, 0)
                continue
            coming.whole = 1
            if post.connect == ALL_TO_ALL:
                coming.to_all += count * post.add
                continue
            held = memory.like[post.matrix]
            coming.low += memory.low[held] * post.add
            coming.high += memory.high[held] * post.add
            if post.delay:
                # When it arrives the weights may have changed, so it is added up now.
                coming.carried = 1
                c, d = code.populations[post.target].start, code.populations[post.target].stop
                start = code.matrices[held].total
                _add(memory.carried[then, c:d], memory.totals[start : start + d - c], post.add)


@jit(inline="always")
def _learned_alike(code, memory, m, held, line):
    """Whether the targets of two matrices that are one have just spiked alike."""
    one = code.populations[code.matrices[m].target]
    other = code.populations[code.matrices[held].target]
    count = memory.counts[line, code.matrices[m].target]
    alike = count == memory.counts[line, code.matrices[held].target]
    if alike and count:
        alike = _same(
            memory.trains[line, one.start : one.stop], memory.trains[line, other.start : other.stop]
        )
    return alike


@jit(inline="always")
def _part(code, memory, m, n_pre):
    """Give row `m` a matrix of its own: until now it was that of another."""
    held, wide = memory.like[m], code.matrices[m].wide
    mine, other, size = code.matrices[m].begin, code.matrices[held].begin, n_pre * wide
    _copy(memory.halves[mine : mine + size], memory.halves[other : other + size])
    # What was just sent through it is read in the next step.
    mine, other = code.matrices[m].total, code.matrices[held].total
    _copy(memory.totals[mine : mine + wide], memory.totals[other : other + wide])
    memory.low[m], memory.high[m] = memory.low[held], memory.high[held]
    memory.like[m] = m


@jit(inline="always")
def _learn(code, memory, tally, p, line, half_dw):
    """Rule 5; returns the least number of a projection that learned unscheduled, or `NONE`."""
    stray = NONE
    for k in range(code.populations.shape[0]):
        count, sender = memory.counts[line, k], code.senders[k]
        if count == 0:
            continue
        a, b = sender.start, sender.stop
        for m in range(sender.first_matrix, sender.last_matrix):
            matrix = code.matrices[m]
            if not matrix.plastic:
                continue
            met = memory.counts[line, matrix.target]
            if met:
                tally.updates[p, matrix.number] += count * met
                if not code.scheduled[m, p]:
                    stray = min(stray, matrix.number)
            held = memory.like[m]
            if held != m and not _learned_alike(code, memory, m, held, line):
                _part(code, memory, m, b - a)
        for m in range(sender.first_matrix, sender.last_matrix):
            matrix = code.matrices[m]
            if not (matrix.plastic and memory.like[m] == m and memory.counts[line, matrix.target]):
                continue
            target, begin, wide = code.populations[matrix.target], matrix.begin, matrix.wide
            _learn_rows(
                memory.halves[begin : begin + (b - a) * wide].reshape(b - a, wide),
                memory.active[a:b], count, memory.trains[line, target.start : target.stop],
                memory.change[:wide], half_dw,
            )  # fmt: skip
            memory.summed[m] = -1
    return stray


@jit(inline="always")
def _record(code, memory, tape, kept, now, line):
    """Copy what is asked for to the tape."""
    for k in range(code.senders.shape[0]):
        a, b = code.senders[k].start, code.senders[k].stop
        column = tape.columns[0, k]
        if column >= 0 and memory.counts[line, k]:
            _copy(tape.spikes[kept, column : column + b - a], memory.trains[line, a:b])
        if k >= code.populations.shape[0]:
            continue
        population = code.populations[k]
        # A population that was skipped stands as an idle step leaves it.
        idle = population.quiet and memory.seen[k] < now
        column = tape.columns[1, k]
        if column >= 0 and not idle:
            _copy(tape.u[kept, column : column + b - a], memory.u[a:b])
        column = tape.columns[2, k]
        if column >= 0:
            if idle:
                gap = min(now - memory.seen[k], LONGEST)
                _idle(tape.v[kept, column : column + b - a], memory.dead[a:b], population.bias, gap)
            else:
                _copy(tape.v[kept, column : column + b - a], memory.v[a:b])


@jit(nogil=True)
def run_steps(code, memory, tally, tape, stimulus, reward, by_step, dw, first, steps, strict):
    """Execute `steps` steps from step `first`; returns OK, WRAPPED or STRAY.

    `stimulus` (rows, lines): row i is sample i of this call, or step i with `by_step`.
    `reward` holds 0 or 1 per phase, or per step with `by_step`.  `dw` is (otherwise, reward).
    """
    period, slots = tally.steps.shape[0], memory.coming.shape[0]
    lines = memory.counts.shape[0]
    registers = tape.u.shape[1] + tape.v.shape[1] > 0
    for step in range(steps):
        now = first + step
        p, slot, line = now % period, now % slots, now % lines
        kept = tape.rows[step]
        look = step == steps - 1 or (kept >= 0 and registers)
        wrapped = _integrate(code, memory, tally, now, p, line, slot, look)
        if strict and wrapped != NONE:
            tally.fault[0], tally.fault[1] = now, wrapped
            return WRAPPED
        row = step if by_step else now // period - first // period
        _emit(code, memory, stimulus, row, p, line, by_step)
        _send(code, memory, line, slot)
        half_dw = np.int8(dw[reward[step if by_step else p]] // 2)
        stray = _learn(code, memory, tally, p, line, half_dw)
        if strict and stray != NONE:
            tally.fault[0], tally.fault[1] = now, stray
            return STRAY
        tally.steps[p] += 1
        if kept >= 0:
            _record(code, memory, tape, kept, now, line)
    return OK
