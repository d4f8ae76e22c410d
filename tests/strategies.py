"""The strategies of `sbp.testing`, by the name they had before they came with the package."""

from sbp.testing.strategies import *  # noqa: F403
