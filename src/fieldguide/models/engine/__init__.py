"""Scoring where every shared token is computed once: requests → prefix tree → packed forward passes → log-probabilities."""
