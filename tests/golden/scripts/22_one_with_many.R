# Reciprocal one-with-many design as a bivariate mixed model in nlme: both raters, clients nested in therapists, REML.
# Run from tests/golden: Rscript scripts/22_one_with_many.R
source("lib/gold.R"); suppressPackageStartupMessages(library(nlme))
set.seed(22); G <- 40; k <- sample(1:8, G, TRUE); t <- rep(seq_len(G), k); n <- length(t); ch <- function(s1, s2, r) chol(matrix(c(s1^2, r * s1 * s2, r * s1 * s2, s2^2), 2))
y <- (matrix(rnorm(2 * G), G) %*% ch(.5, .8, .3))[t, ] + matrix(rnorm(2 * n), n) %*% ch(1, .7, .4) + rep(c(5.4, 5), each = n)
w <- data.frame(therapist = t, dyad = seq_len(n), client = round(y[, 1], 6), therapist_rating = round(y[, 2], 6)); wcsv(w, "one_with_many.csv"); w <- rcsv("one_with_many.csv")
long <- function(w) { l <- rbind(data.frame(w[, c("therapist", "dyad")], rater = 1, y = w$client), data.frame(w[, c("therapist", "dyad")], rater = 2, y = w$therapist_rating)); l <- l[!is.na(l$y), ]; l <- l[order(l$therapist, l$dyad, l$rater), ]; l$rf <- factor(l$rater); l }
ct <- lmeControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-10, msTol = 1e-12, opt = "optim", reltol = 1e-14)
fit <- function(w) { l <- long(w); f <- lme(y ~ rf - 1, random = ~ rf - 1 | therapist, correlation = corSymm(form = ~ rater | therapist/dyad), weights = varIdent(form = ~ 1 | rf), data = l, method = "REML", control = ct)
  V <- getVarCov(f); s <- f$sigma * coef(f$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE); r <- as.numeric(coef(f$modelStruct$corStruct, unconstrained = FALSE))
  list(means = vec(fixef(f)), therapist = list(client = V[1, 1], therapist = V[2, 2], correlation = V[1, 2] / sqrt(V[1, 1] * V[2, 2])), dyad = list(client = as.numeric(s["1"])^2, therapist = as.numeric(s["2"])^2, correlation = r), logLik = as.numeric(logLik(f))) }
m <- w; m$client[seq(3, n, 7)] <- NA; m$therapist_rating[seq(5, n, 9)] <- NA; wcsv(m, "one_with_many_missing.csv"); m <- rcsv("one_with_many_missing.csv")
res <- list(complete = fit(w), missing = fit(m))
gold_write("22_one_with_many", "Reciprocal one-with-many design, nlme", c("one_with_many.csv", "one_with_many_missing.csv"), list(), res, "nlme", seed = 22, notes = "Iterated REML: compare variances and correlations at 1e-4, logLik at 1e-5.")
