"""One script for each tool: the job as its own documentation has a user write it."""
