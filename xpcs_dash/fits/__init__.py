"""What a stored fit is: request, selection, run, store, index, review, presentation."""
