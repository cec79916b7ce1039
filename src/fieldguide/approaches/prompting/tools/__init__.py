"""Answers with what comes from outside the model: tools, and environments to act in."""
