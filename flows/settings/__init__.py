"""What a study says of itself: study.yml, site files and codebook, read, checked and refused in plain words."""
