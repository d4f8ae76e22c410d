"""The status page in Markdown: every claim in one row, then each with all its numbers."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from sbp.reproduce.claim import Quantity
from sbp.reproduce.status import (
    MEANING,
    STALE,
    Verdict,
    by_origin,
    expected,
    number,
    plain,
    shown,
)

TITLE = "# Status of the reproduction"  #: by its first line a page is known as ours
HEADS = {
    "published": "Published", "derived": "Derived", "authors": "Authors' code",
    "ours": "No expected value; source",
}  # fmt: skip


def safe(text: object) -> str:
    """Text as text, whatever it holds: no markup of HTML or Markdown, on one line."""
    escaped = html.escape(plain(str(text)), quote=False)
    return re.sub(r"([\\`*_\[\]|$~{}^])", r"\\\1", escaped)


def markdown(verdicts: Sequence[Verdict]) -> str:
    """The whole page."""
    origins = by_origin(verdicts)
    said = ", ".join(f"{n} {name}" for name, n in origins.items())
    lines = [
        TITLE,
        "",
        "Written by `sbp reproduce`; `sbp reproduce --status` judges the results again.",
        "",
        *(f"- **{status}**: {meaning}." for status, meaning in MEANING.items()),
        "",
        f"Expected values that agree, by where they are from: {said}.  An expected value is "
        "*published* in the paper, *derived* from what was published, or printed by the *authors' "
        "code*; a claim that says none has nothing to be held to.",
        "",
        *_rows(
            ("claim: first quantity", "expected", "measured here", "status"),
            [_summary(row) for row in verdicts],
        ),
        "",
        "Means over seeds, with the standard deviation (n - 1) where there are several.  The other "
        "quantities of a claim are below it.",
    ]
    for row in verdicts:
        lines += ["", f"## {row.claim.id}", "", *_explained(row)]
    return "\n".join([*lines, ""])


def _rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _shown(values: Sequence[float], quantity: Quantity) -> str:
    return shown(values, quantity).replace("+-", "±")


def _numbers(row: Verdict, quantity: Quantity) -> tuple[str, str]:
    """Expected and measured."""
    measured = _shown(row.values.get(quantity.name, ()), quantity)
    return expected(row.claim, quantity) or "-", measured


def _summary(row: Verdict) -> tuple[str, ...]:
    name, first = row.claim.id, row.claim.quantities[0]
    said, measured = _numbers(row, first)
    measured += _best_and_last(row) + _decided_by(row)
    return f"[{name}](#{name}): {first.name}", said, measured, f"**{row.status}**"


def _decided_by(row: Verdict) -> str:
    """Where the first quantity decides nothing, the first one that does."""
    deciding = [quantity for quantity in row.claim.quantities if quantity.decides]
    if not deciding or deciding[0] is row.claim.quantities[0]:
        return ""
    said, measured = _numbers(row, deciding[0])
    return f"; decided by {deciding[0].name}: {measured}, expected {said}"


def _best_and_last(row: Verdict) -> str:
    """Where the first quantity is a best one, the last one beside it, and the other way round."""
    first = row.claim.quantities[0].name
    if not re.search(r"\b(best|last)\b", first):
        return ""
    for quantity in row.claim.quantities[1:]:
        head = quantity.name.partition(",")[0]
        other = "last" if "best" in first else "best"
        if head == first.partition(",")[0] and re.search(rf"\b{other}\b", quantity.name):
            return f"; {quantity.name}: {_shown(row.values.get(quantity.name, ()), quantity)}"
    return ""


def _explained(row: Verdict) -> list[str]:
    claim = row.claim
    tolerances = [
        f"{q.name} {number(q.tolerance)}{' points' if q.unit == '%' else ' ' + q.unit}"
        for q in claim.quantities
        if q.expected is not None and q.tolerance
    ]
    reasons = "; ".join(map(safe, row.why))
    lines = [
        claim.statement,
        "",
        *_rows(
            ("quantity", "expected", "measured here"),
            [(quantity.name, *_numbers(row, quantity)) for quantity in claim.quantities],
        ),
        "",
        f"- {HEADS[claim.origin]}: {claim.source}.",
        f"- How: {claim.how}",
        f"- Tolerance: {', '.join(tolerances) + '. ' if tolerances else ''}{claim.why}",
        f"- Status: **{row.status}**" + (f": {reasons}." if row.why else "."),
    ]
    if claim.remark:
        lines.append(f"- Remark: {claim.remark}")
    if row.record and row.status != STALE:
        made = row.record
        engine = f", engine {safe(made['code']['engine'])}" if made["code"]["engine"] else ""
        n_seeds = len(made["seeds"])
        seeds = f", {n_seeds} seed{'s' * (n_seeds > 1)}" if n_seeds else ""
        lines.append(
            f"- Made with the {made['preset']} preset{engine}{seeds}, in "
            f"{made['seconds']:.0f} s on {made['machine']['cores']} cores "
            f"({safe(made['machine']['cpu'])}).  Numbers: [{claim.id}.json]({claim.id}.json)."
        )
        lines += _details(made["details"])
        if made.get("figure"):
            lines += ["", f"![{safe(made['figure']['alt'])}]({claim.id}.png)"]
    return lines


def _details(details: dict[str, Any]) -> list[str]:
    """Tables of what a claim found beyond its quantities."""
    lines: list[str] = []
    if "energy, pJ" in details:
        lines += _energy(details)
    if "populations" in details:
        lines += _populations(details["populations"])
    if "jobs" in details:
        lines += _jobs(details["jobs"])
    if "fits" in details:
        lines += _fits(details["fits"])
    if "networks" in details:
        lines += _networks(details["networks"])
    if "rows" in details:
        lines += _table_1(details["rows"])
    if "rules" in details:
        lines += _rules(details["rules"])
    if "spurious" in details:
        lines += _collapse(details)
    for name, kept in details.get("settings", {}).items():
        lines += _partings(kept.get("parted"), f"{name}, ")
    lines += _partings(details.get("parted"))
    return lines


def _partings(rows: Any, where: str = "") -> list[str]:
    lines = []
    for seed, parted in enumerate(rows or []):
        if parted:
            lines += ["", _parting(f"{where}seed {seed}", parted)]
        elif where:
            lines += ["", f"{safe(where)}seed {seed}: equal to the end."]
    return lines


def _energy(details: dict[str, Any]) -> list[str]:
    kinds = list(details["energy, pJ"])
    energy, operations = details["energy, pJ"], details["operations"]
    total = sum(map(sum, energy.values()))
    by_kind = [
        (safe(kind), f"{sum(operations[kind]):,.1f}", f"{sum(energy[kind]) / 1e3:,.2f}",
         f"{100 * sum(energy[kind]) / total:.1f} %",
         f"{sum(details['work, ns'][kind]) / 1e3:,.2f}")
        for kind in kinds
    ]  # fmt: skip
    by_phase = [
        (str(p), *(f"{energy[kind][p] / 1e3:,.2f}" for kind in kinds),
         f"{sum(energy[kind][p] for kind in kinds) / 1e3:,.2f}",
         f"{details['fullest core, ns'][p] / 1e3:,.2f}")
        for p in range(len(energy[kinds[0]]))
    ]  # fmt: skip
    return [
        "",
        f"Modelled for one sample (mean of {details['samples']:,}), by kind of operation:",
        "",
        *_rows(("kind", "operations", "energy, nJ", "share", "work, us"), by_kind),
        "",
        "Modelled energy in nJ, by phase, and the work of the fullest core of the released "
        "placement:",
        "",
        *_rows(("p", *map(safe, kinds), "all", "fullest core, us"), by_phase),
        "",
        f"The fewest cores that could hold the circuit: {details['fewest cores']}.  The model "
        "leaves out:",
        "",
        *(f"- {safe(what)}" + (";" if i < len(details["left out"]) - 1 else ".")
          for i, what in enumerate(details["left out"])),
    ]  # fmt: skip


def _populations(populations: dict[str, Any]) -> list[str]:
    rows = [
        (safe(name), f"{row['neurons']:,}", f"{row['in the first epoch']:,.2f}",
         f"{row['spikes per sample']:,.2f}", f"{row['spikes per sample'] / row['neurons']:.4f}",
         ", ".join(f"{p}: {n:,.2f}" for p, n in enumerate(row["by phase"]) if n))
        for name, row in populations.items()
    ]  # fmt: skip
    heads = ("population", "neurons", "spikes a sample, first epoch", "last epoch", "per neuron",
             "by phase, last epoch")  # fmt: skip
    return ["", "Spikes of a sample, first seed:", "", *_rows(heads, rows)]


def _dashed(sizes: Sequence[int]) -> str:
    return "-".join(f"{int(n)}" for n in sizes)


def _fits(rows: Sequence[dict[str, Any]]) -> list[str]:
    heads = ("network", "steps a sample", "neurons", "synapses", "cores",
             "neurons of the fullest core", "its synaptic memory, at least", "fits")  # fmt: skip
    title = "The released placement of further networks, learning circuits:"
    return ["", title, "", *_rows(heads, [
        (_dashed(row["sizes"]), f"{row['steps']}", f"{row['neurons']:,}", f"{row['synapses']:,}",
         f"{row['cores']}", f"{row['neurons of the fullest core']:,}",
         f"{row['memory of the fullest core, %']:.1f} %", "yes" if row["fits"] is True else "no")
        for row in rows
    ])]  # fmt: skip


def _networks(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Networks of several depths."""

    def mean(row: dict[str, Any], name: str) -> str:
        values = [100 * value for value in row[name]]
        return _shown(values, Quantity(name, unit="%")).removesuffix(" %")

    heads = ("network", "shifts", "exact %", "spike %", "membrane %", "silent layers",
             "weights differing", "steps a sample", "spikes a sample",
             "modelled energy, uJ")  # fmt: skip
    return ["", "Last epoch, mean over seeds; a layer is silent if none of its neurons fires for "
            "any test sample.  Cost and equality with the algebra: the circuit (compiled engine) "
            "on further samples, first seed.", "", *_rows(heads, [
        (_dashed(row["sizes"]), "yes" if row["shift"] else "no",
         *(mean(row, name) for name in ("exact", "spike", "membrane")),
         f"{sum(map(len, row['silent layers']))}", f"{row['cost']['differing weights']:,}",
         f"{row['cost']['steps']}", f"{row['cost']['spikes']:,.0f}",
         f"{1e3 * row['cost']['energy, mJ']:.2f}")
        for row in rows
    ])]  # fmt: skip


def _rules(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Rules between the chip's and the textbook's."""

    def mean(values: Sequence[float]) -> str:
        found = [100 * value for value in values]
        return _shown(found, Quantity("", unit="%")).removesuffix(" %")

    def steps(row: dict[str, Any]) -> str:
        output, hidden = (f"{float(step):g}" for step in row["step"])
        tried = {tuple(map(float, one["step"])) for one in row["tried"]}
        return f"{output} and {hidden}" + (f", of {len(tried)}" if tried else "")

    def lost(row: dict[str, Any]) -> str:
        return f"{sum(map(bool, row['lost classes']))} of {len(row['lost classes'])}"

    kept = ("sign", "8 bits", "ternary error", "constant step", "hard bounds")
    heads = (*kept, "steps of W2 and W1", "membrane %", "spike %", "runs that lost a class")
    return ["", "Idealisations that hold, the step of each matrix (1: the chip's; how many were "
            "tried), and the last epoch, mean over seeds.  A class is lost if its output's input "
            "is 0 or below for every test picture of it:", "", *_rows(heads, [
        (*("yes" if flag is True else "no" for flag in row["rule"]), steps(row),
         mean(row["membrane"]), mean(row["spike"]), lost(row))
        for row in rows
    ])]  # fmt: skip


def _table_1(rows: dict[str, Any]) -> list[str]:
    heads = ("work", "hardware", "rule", "network", "mJ", "ms", "accuracy, %", "note")
    lines = []
    for mode, entries in rows.items():
        title = "On-chip learning" if mode == "learning" else "Inference"
        lines += ["", f"{title}, as published:", "", *_rows(heads, [
            tuple("-" if entry[key] is None else safe(entry[key]) for key in (
                "work", "hardware", "rule", "network", "energy", "latency", "accuracy", "note"
            ))
            for entry in entries
        ])]  # fmt: skip
    return lines


def _collapse(details: dict[str, Any]) -> list[str]:
    heads = ("epoch", "samples in which h fires shut", "spikes of h in phase 8",
             "errors lost in phase 9", "outputs without an error", "spikes of h missing",
             "spike, circuit %", "spike, algebra %")  # fmt: skip
    epochs = range(len(details["spurious"][0]))
    chosen = [e for e in epochs if e < 10 or (e + 1) % 5 == 0]
    return ["", "What happens beyond the closing gate, by epochs, first seed:", "", *_rows(heads, [
        (f"{e + 1}", *(f"{details[name][0][e]:,}" for name in (
            "past_gate_h", "fired_closed", "lost", "spurious", "missing")),
         *(f"{100 * details['paths'][path]['spike'][0][e]:.1f}" for path in ("circuit", "algebra")))
        for e in chosen
    ])]  # fmt: skip


def _jobs(jobs: list[dict[str, Any]]) -> list[str]:
    def mean(job: dict[str, Any], name: str) -> str:
        values = [100 * value for value in job[name]]
        return _shown(values, Quantity(name, unit="%")).removesuffix(" %")

    def dead(job: dict[str, Any]) -> str:
        found = [
            f"{', '.join(f'{int(n)}' for n in outputs)} (seed {int(seed)})"
            for seed, outputs in zip(job["seeds"], job["dead outputs"], strict=True)
            if outputs
        ]
        return "; ".join(found) or "none"

    rows = [
        (_dashed(job["sizes"]), f"{int(job['job']['shift'])}", mean(job, "exact"),
         mean(job, "spike"), mean(job, "membrane"), dead(job),
         f"{job['check']['largest input of closed h']:,}",
         f"{job['check']['differing weights']:,}", f"{job['chip']['neurons']:,}",
         f"{100 * job['chip']['share of synaptic memory']:.1f} %")
        for job in jobs
    ]  # fmt: skip
    heads = ("network", "shift", "exact %", "spike %", "membrane %", "dead outputs",
             "largest input of closed h", "weights differing", "neurons",
             "synaptic memory, at least")  # fmt: skip
    check = jobs[0]["check"]
    return [
        "",
        "Last epoch, mean over seeds.  An output is dead if its input is 0 or below for every "
        "training sample of its class: the derivative is 0 there and no error neuron fires, so "
        "its own weights stay; only another output's error can change what it receives, through "
        "the hidden layer, and bring it back.  The two columns after that compare the circuit "
        f"(compiled engine) with the algebra on {check['samples']:,} further samples (the closing "
        f"gate holds up to {check['limit']:,}):",
        "",
        *_rows(heads, rows),
    ]


def _parting(who: str, parted: dict[str, Any]) -> str:
    differ = " and ".join(f"{n:,} of {safe(name)}" for name, n in parted["differing"].items())
    past = [
        f"{parted[f'{name}_past_gate']:,} {name} fired past a closing gate (largest input "
        f"{parted[f'largest_{name}']:,}, the gate holds up to {parted['limit']:,})"
        for name in ("h", "o")
        if parted[f"{name}_past_gate"]
    ]
    if past:
        past.append(
            f"in phase 9 {parted['lost']:,} errors were lost, {parted['spurious']:,} o fired "
            f"without one, and {parted['missing']:,} h were dead"
        )
    why = ", and ".join(past) or (
        "no closed neuron fired, but the negated copy of W2 is 2 beside in "
        f"{parted['copies_apart']:,} synapses"
    )
    return (
        f"{safe(who[:1].upper() + who[1:])}: equal for {parted['samples_before']:,} samples.  In "
        f"the next one (epoch {parted['epoch']:,}) {why}; after it {differ} weights differ."
    )


__all__ = ["markdown", "safe"]
