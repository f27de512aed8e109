"""Predictions decoded anew, compared and diagnosed; reports and plots."""
