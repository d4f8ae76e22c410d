"""Lava processes and models of ours.

Lava's compiler executes every file in the folder of a process to find its models, so these live
apart, and importing them does nothing but define them.
"""
