"""Human review: Amazon A2I's task UIs, flow definitions, human loops, and the people who answer."""
