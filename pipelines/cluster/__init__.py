"""`python -m pipelines.generate`: a table of tasks to a dataset, on one machine or on many."""
