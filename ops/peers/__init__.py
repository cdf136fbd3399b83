"""Batchline and other tools, put through faults that users of each of them meet. README.md says how."""
