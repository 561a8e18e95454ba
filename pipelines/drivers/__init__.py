"""Who calls the stages for many tasks: threads in this process, or Ray actors; their log and their files."""
