"""A refresh: its steps in their order, its scope, its notes, and Prefect around it."""
