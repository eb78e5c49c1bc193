"""Question 2: what predicts outcome, by correlation, regression and mixed models, over sites."""
