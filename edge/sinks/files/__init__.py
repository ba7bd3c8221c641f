"""Sinks of kind `jsonl`: lines of JSON in files that are rotated."""
