"""The stages: what a worker does with due work.

Each module has `work(context) -> int`: lease what is due, do it, and return how
many jobs or shards it took; 0 when nothing was due.
"""
