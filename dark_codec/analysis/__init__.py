"""Predictions decoded anew, compared and diagnosed; reports and plots."""

from .. import openmmlab  # noqa: F401  says what is missing
