# A confirmatory model that fits badly, where Fisher scoring creeps: items of bfi dealt out to seven scales
source("lib/gold.R"); suppressPackageStartupMessages(library(lavaan))
items <- c(outer(1:5, c("A", "C", "E", "N", "O"), function(n, s) paste0(s, n))); bc <- rcsv("bfi_complete.csv")[, items]
scale <- paste0("s", (0:24) %% 7); sc <- split(items, scale); R <- cor(bc)
model <- paste(names(sc), sapply(sc, paste, collapse = " + "), sep = " =~ ", collapse = "\n")
f <- catchw(cfa(model, sample.cov = R, sample.nobs = nrow(bc))); s <- standardizedSolution(f$value); l <- s[s$op == "=~", ]; k <- s[s$op == "~~" & s$lhs != s$rhs, ]
res <- list(scale_of = as.list(setNames(scale, items)), converged = lavInspect(f$value, "converged"), warnings = f$warnings,
  fit = named(fitMeasures(f$value, c("chisq", "df", "cfi", "tli", "rmsea", "srmr", "rmsea.pvalue", "baseline.chisq", "baseline.df"))),
  loadings = list(item = I(l$rhs), loading = vec(l$est.std), se = vec(l$se)), correlations = list(scale = I(k$lhs), other = I(k$rhs), correlation = vec(k$est.std), se = vec(k$se)))
gold_write("29_cfa_far_from_the_data", "CFA by ML of bfi items in scales that are not theirs", "bfi_complete.csv", list(estimator = "ML", sample.nobs = nrow(bc)), res, "lavaan")
