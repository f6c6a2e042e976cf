"""The door: what a result file is, which files may be read, and what an error bar is."""
