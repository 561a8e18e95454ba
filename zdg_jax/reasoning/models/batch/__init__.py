"""Providers' batch APIs: half the price, an answer within a day (docs/batch.md)."""
