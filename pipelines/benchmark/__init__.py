"""The benchmark: `python -m pipelines.benchmark --set zoo --out DIR`."""
