"""Synthetic heads: 460 persons drawn by a procedural renderer, any frame at random."""

from thbench.data.synthetic.dataset import Synth, synth

__all__ = ["Synth", "synth"]
