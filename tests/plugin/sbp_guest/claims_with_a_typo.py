"""A claim that says something of itself that there is not."""

from sbp.reproduce.claim import Measurement, claim
from sbp_guest.claims import ABOUT


@claim("guest-typo", "One is one.", origin="mine", **ABOUT)
def typo(claim, bench):
    return Measurement({"ones": [1.0]})
