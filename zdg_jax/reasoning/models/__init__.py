"""Reasoners that ask models, records or labels; `factory.make` builds one from its name (DESIGN §5)."""
