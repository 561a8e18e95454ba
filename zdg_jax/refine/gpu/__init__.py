"""Refinement in one Pallas (Triton) kernel."""
