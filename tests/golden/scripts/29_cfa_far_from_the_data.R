# A confirmatory model that fits badly, where Fisher scoring creeps: items of bfi dealt out to seven scales
source("lib/gold.R"); suppressPackageStartupMessages(library(lavaan))
items <- c(outer(1:5, c("A", "C", "E", "N", "O"), function(n, s) paste0(s, n))); bc <- rcsv("bfi_complete.csv")[, items]
scale <- paste0("s", (0:24) %% 7); sc <- split(items, scale); R <- cor(bc)
model <- paste(names(sc), sapply(sc, paste, collapse = " + "), sep = " =~ ", collapse = "\n")
f <- catchw(cfa(model, sample.cov = R, sample.nobs = nrow(bc))); s <- standardizedSolution(f$value); l <- s[s$op == "=~", ]; k <- s[s$op == "~~" & s$lhs != s$rhs, ]
res <- list(scale_of = as.list(setNames(scale, items)), converged = lavInspect(f$value, "converged"), warnings = f$warnings,
  fit = named(fitMeasures(f$value, c("chisq", "df", "cfi", "tli", "rmsea", "srmr", "rmsea.pvalue", "baseline.chisq", "baseline.df"))),
  loadings = list(item = I(l$rhs), loading = vec(l$est.std), se = vec(l$se)), correlations = list(scale = I(k$lhs), other = I(k$rhs), correlation = vec(k$est.std), se = vec(k$se)))
# Two items of one scale that correlate negatively although both go the same way with the other scale: a negative variance
m <- c(1, -.14, -.542, -.313, .649,  -.14, 1, .231, -.209, -.138,  -.542, .231, 1, .25, -.512,  -.313, -.209, .25, 1, -.239,  .649, -.138, -.512, -.239, 1)
N <- matrix(m, 5, dimnames = list(paste0("i", 1:5), paste0("i", 1:5))); g <- catchw(cfa("a =~ i1 + i3 + i5\n b =~ i2 + i4", sample.cov = N, sample.nobs = 70))
res$negative_variance <- list(matrix = mat(N), converged = lavInspect(g$value, "converged"), warnings = g$warnings, chisq = unname(fitMeasures(g$value, "chisq")), variance_b = lavInspect(g$value, "est")$psi["b", "b"])
gold_write("29_cfa_far_from_the_data", "CFA by ML of bfi items in scales that are not theirs", "bfi_complete.csv", list(estimator = "ML", sample.nobs = nrow(bc)), res, "lavaan")
