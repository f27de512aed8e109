"""Metrics in MMPose's registry that MMPose lacks."""

from .torso_pck import TorsoPCK

__all__ = ['TorsoPCK']
