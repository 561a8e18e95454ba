"""The line of every command as six plain classes: prepare, reason, refine, select, measure, write."""
