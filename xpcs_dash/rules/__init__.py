"""What is worth a word about a file: flags in one table, and the rules on drift and on photons. All pure."""
