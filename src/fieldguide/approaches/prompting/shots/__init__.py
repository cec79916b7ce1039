"""Demonstrations chosen, ordered and made wrong on purpose, and rules that score what comes after them."""
