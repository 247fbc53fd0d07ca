"""Captions as text: words, clean-up, what a text claims, and how statements become one text. No
model of ours.
"""
