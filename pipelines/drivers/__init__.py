"""Who calls the stages: `inline` for one task here, `threads` for many here, `ray` for many on a cluster."""
