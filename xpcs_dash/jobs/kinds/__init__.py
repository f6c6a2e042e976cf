"""The functions behind the kinds of jobs."""
