"""Pictures of profiles and results, each with its numbers beside it as a table."""
