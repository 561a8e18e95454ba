"""A table of tasks on Ray: actors around the stages, bounded inboxes between them."""
