# ML means and covariances with missing answers (saturated model, EM): lavaan
source("lib/gold.R"); suppressPackageStartupMessages(library(lavaan))
items <- c(paste0("A", 1:5), paste0("C", 1:5), paste0("E", 1:5), paste0("N", 1:5), paste0("O", 1:5))
bp <- rcsv("bfi.csv")[, items]; bp <- bp[rowSums(!is.na(bp)) > 0, ]; hm <- rcsv("holzinger1939_missing.csv")[, paste0("x", 1:9)]
one <- function(X) { m <- paste(sapply(seq_along(names(X)), function(i) paste(names(X)[i], "~~", paste(names(X)[i:length(names(X))], collapse = " + "))), collapse = "\n")
  f <- lavaan(m, data = X, missing = "ml", meanstructure = TRUE, int.ov.free = TRUE, do.fit = FALSE, em.h1.tol = 1e-10, em.h1.iter.max = 5000)
  h <- lavInspect(f, "sampstat"); list(n = lavInspect(f, "nobs"), mean = vec(h$mean), covariance = mat(unclass(h$cov)), correlation = mat(cov2cor(unclass(h$cov))), log_likelihood = f@h1$logl$loglik) }
gold_write("18_em_covariance", "ML covariance with missing answers", c("bfi.csv", "holzinger1939_missing.csv"), list(missing = "ml, saturated model, EM tolerance 1e-10"), list(bfi = one(bp), holzinger_missing = one(hm)), "lavaan", notes = "Rows without any answer are dropped.")
