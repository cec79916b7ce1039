"""Answers chosen among candidates: verified, or judged in pairs."""
