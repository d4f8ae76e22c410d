"""The status page in Markdown: every claim in one row, then each with all its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sbp.reproduce.claims import TABLE_1, Quantity
from sbp.reproduce.status import MEANING, Verdict, expected, number, shown

ORIGINS = {
    "published": "Published", "derived": "Derived", "ours": "No published value; source",
}  # fmt: skip


def markdown(verdicts: Sequence[Verdict]) -> str:
    """The whole page."""
    lines = [
        "# Status of the reproduction",
        "",
        "Written by `sbp reproduce`; `sbp reproduce --status` judges the results again.",
        "",
        *(f"- **{status}**: {meaning}." for status, meaning in MEANING.items()),
        "",
        *_rows(
            ("claim: first quantity", "published", "measured here", "status"),
            [_summary(row) for row in verdicts],
        ),
        "",
        "Means over seeds, with the standard deviation (n - 1) where there are several.  The other "
        "quantities of a claim are below it.",
    ]
    for row in verdicts:
        lines += ["", f"## {row.claim.id}", "", *_explained(row)]
    lines += [
        "",
        "## Other systems, as published",
        "",
        "MNIST test accuracy in percent, from the paper's Table 1, for context; nothing here was "
        "measured by this package.",
        "",
        *_rows(("system", "accuracy"), TABLE_1),
        "",
    ]
    return "\n".join(lines)


def _rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _shown(values: Sequence[float], quantity: Quantity) -> str:
    return shown(values, quantity).replace("+-", "±")


def _numbers(row: Verdict, quantity: Quantity) -> tuple[str, str]:
    """Published and measured."""
    measured = _shown(row.values.get(quantity.name, ()), quantity)
    return expected(row.claim, quantity) or "-", measured


def _summary(row: Verdict) -> tuple[str, ...]:
    name, first = row.claim.id, row.claim.quantities[0]
    return f"[{name}](#{name}): {first.name}", *_numbers(row, first), f"**{row.status}**"


def _explained(row: Verdict) -> list[str]:
    claim = row.claim
    origin = ORIGINS[claim.origin]
    tolerances = [
        f"{q.name} {number(q.tolerance)}{' points' if q.unit == '%' else ' ' + q.unit}"
        for q in claim.quantities
        if q.expected is not None and q.tolerance
    ]
    lines = [
        claim.statement,
        "",
        *_rows(
            ("quantity", "published", "measured here"),
            [(quantity.name, *_numbers(row, quantity)) for quantity in claim.quantities],
        ),
        "",
        f"- {origin}: {claim.source}.",
        f"- How: {claim.how}",
        f"- Tolerance: {', '.join(tolerances) + '. ' if tolerances else ''}{claim.why}",
        f"- Status: **{row.status}**" + (f": {'; '.join(row.why)}." if row.why else "."),
    ]
    if claim.remark:
        lines.append(f"- Remark: {claim.remark}")
    if row.record:
        made = row.record
        engine = f", engine {made['code']['engine']}" if made["code"]["engine"] else ""
        n_seeds = len(made["seeds"])
        seeds = f", {n_seeds} seed{'s' * (n_seeds > 1)}" if n_seeds else ""
        lines.append(
            f"- Made with the {made['preset']} preset{engine}{seeds}, in "
            f"{made['seconds']:.0f} s on {made['machine']['cores']} cores "
            f"({made['machine']['cpu']}).  Numbers: [{claim.id}.json]({claim.id}.json)."
        )
        lines += _details(made["details"])
        if made.get("figure"):
            lines += ["", f"![{made['figure']['alt']}]({made['figure']['file']})"]
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
    if "circuit" in details.get("curves", {}):
        lines += ["", _last_epoch(details["curves"])]
    for seed, parted in enumerate(details.get("parted") or []):
        if parted:
            lines += ["", _parting(seed, parted)]
    return lines


def _last_epoch(curves: dict[str, Any]) -> str:
    """Accuracies of circuit and algebra where the training ended."""
    said = []
    for path, measures in curves.items():
        for measure in ("spike", "membrane"):
            values = [100 * seed[-1] for seed in measures[measure]]
            said.append(f"{measure}, {path} {_shown(values, Quantity(measure, unit='%'))}")
    return f"In the last epoch: {'; '.join(said)}."


def _energy(details: dict[str, Any]) -> list[str]:
    kinds = list(details["energy, pJ"])
    energy, operations = details["energy, pJ"], details["operations"]
    total = sum(map(sum, energy.values()))
    by_kind = [
        (kind, f"{sum(operations[kind]):,.1f}", f"{sum(energy[kind]) / 1e3:,.2f}",
         f"{100 * sum(energy[kind]) / total:.1f} %",
         f"{sum(details['work, ns'][kind]) / 1e3:,.2f}")
        for kind in kinds
    ]  # fmt: skip
    by_phase = [
        (str(p), *(f"{energy[kind][p] / 1e3:,.2f}" for kind in kinds),
         f"{sum(energy[kind][p] for kind in kinds) / 1e3:,.2f}")
        for p in range(len(energy[kinds[0]]))
    ]  # fmt: skip
    return [
        "",
        f"Modelled for one sample (mean of {details['samples']:,}), by kind of operation:",
        "",
        *_rows(("kind", "operations", "energy, nJ", "share", "work, us"), by_kind),
        "",
        "Modelled energy in nJ, by phase:",
        "",
        *_rows(("p", *kinds, "all"), by_phase),
        "",
        f"The fewest cores that could hold the circuit: {details['fewest cores']}.  The model "
        "leaves out:",
        "",
        *(f"- {what}" + (";" if i < len(details["left out"]) - 1 else ".")
          for i, what in enumerate(details["left out"])),
    ]  # fmt: skip


def _populations(populations: dict[str, Any]) -> list[str]:
    rows = [
        (name, f"{row['neurons']:,}", f"{row['in the first epoch']:,.2f}",
         f"{row['spikes per sample']:,.2f}", f"{row['spikes per sample'] / row['neurons']:.4f}",
         ", ".join(f"{p}: {n:,.2f}" for p, n in enumerate(row["by phase"]) if n))
        for name, row in populations.items()
    ]  # fmt: skip
    heads = ("population", "neurons", "spikes a sample, first epoch", "last epoch", "per neuron",
             "by phase, last epoch")  # fmt: skip
    return ["", "Spikes of a sample, first seed:", "", *_rows(heads, rows)]


def _jobs(jobs: list[dict[str, Any]]) -> list[str]:
    def mean(job: dict[str, Any], name: str) -> str:
        values = [100 * value for value in job[name]]
        return _shown(values, Quantity(name, unit="%")).removesuffix(" %")

    def dead(job: dict[str, Any]) -> str:
        found = [
            f"{', '.join(map(str, outputs))} (seed {seed})"
            for seed, outputs in zip(job["seeds"], job["dead outputs"], strict=True)
            if outputs
        ]
        return "; ".join(found) or "none"

    rows = [
        ("-".join(map(str, job["sizes"])), str(job["job"]["shift"]), mean(job, "exact"),
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
        "training sample of its class: the derivative is 0 there, no error neuron fires, and "
        "nothing brings it back.  The two columns after that compare the circuit "
        f"(compiled engine) with the algebra on {check['samples']:,} further samples (the closing "
        f"gate holds up to {check['limit']:,}):",
        "",
        *_rows(heads, rows),
    ]


def _parting(seed: int, parted: dict[str, Any]) -> str:
    differ = " and ".join(f"{n:,} of {name}" for name, n in parted["differing"].items())
    past = [
        f"{parted[f'{name}_past_gate']} {name} fired past a closing gate (largest input "
        f"{parted[f'largest_{name}']:,}, the gate holds up to {parted['limit']:,})"
        for name in ("h", "o")
        if parted[f"{name}_past_gate"]
    ]
    why = " and ".join(past) or (
        "no closed neuron fired, but the negated copy of W2 is 2 beside in "
        f"{parted['copies_apart']} synapses"
    )
    return (
        f"Seed {seed}: equal for {parted['samples_before']:,} samples.  In the next one (epoch "
        f"{parted['epoch']}) {why}; after it {differ} weights differ."
    )
