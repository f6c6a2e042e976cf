"""From frames to g2: simulated frames of known truth, and the multi-tau of the facility's own program."""
