"""Answers after reasoning: chains of thought, votes over them, sub-questions."""
