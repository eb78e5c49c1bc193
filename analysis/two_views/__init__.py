"""Question 3: client and therapist on the same items: agreement, bias, dyads as pairs, what each dwells on."""
