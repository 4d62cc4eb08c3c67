"""Managed objects, their attributes and their lifecycle: pure rules, declared as tables."""
