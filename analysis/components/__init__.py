"""Question 1: which components items form: suitability, retention, rotation, scores, stability, congruence."""
