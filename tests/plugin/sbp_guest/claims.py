"""Claims as anyone could write them: one that holds, and three that cannot be measured."""

from sbp.reproduce.claim import Measurement, Quantity, claim

ABOUT = {
    "source": "This package", "quantities": (Quantity("ones", 1, 0),), "how": "Counted.",
    "why": "A count.", "preset": "smoke",
}  # fmt: skip


@claim("guest-holds", "One is one.", origin="ours", **ABOUT)
def holds(claim, bench):
    return Measurement({"ones": [1.0]})


@claim("guest-fails", "One is one.", origin="derived", **ABOUT)
def fails(claim, bench):
    raise ValueError("no luck")


@claim("guest-gives-nothing", "One is one.", origin="derived", **ABOUT)
def nothing(claim, bench):
    return None


@claim("guest-divides", "One is one.", origin="derived", **ABOUT)
def divides(claim, bench):
    return Measurement({"ones": [float("nan")]})
