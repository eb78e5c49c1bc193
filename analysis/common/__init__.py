"""What all analyses share: frames of answers, results with a status, intervals, resampling, pooling, multiplicity."""
