"""Simulation tests of the field, one file each, with their constants and source."""
