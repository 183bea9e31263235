"""What this service costs, beside what it would cost at least: ``make bench`` (docs/performance.md)."""
