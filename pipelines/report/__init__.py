"""What a person opens after a run: the scene and the report."""
