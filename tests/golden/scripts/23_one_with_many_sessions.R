# One-with-many with several sessions per dyad: therapist, dyad and error covariances of two raters in nlme, REML.
# Run from tests/golden: Rscript scripts/23_one_with_many_sessions.R
source("lib/gold.R"); suppressPackageStartupMessages(library(nlme))
set.seed(23); G <- 25; k <- sample(1:6, G, TRUE); t <- rep(seq_len(G), k); D <- length(t); s <- sample(1:4, D, TRUE); dyad <- rep(seq_len(D), s); n <- length(dyad); ch <- function(s1, s2, r) chol(matrix(c(s1^2, r * s1 * s2, r * s1 * s2, s2^2), 2))
y <- (matrix(rnorm(2 * G), G) %*% ch(.6, .8, .3))[t, ][dyad, ] + (matrix(rnorm(2 * D), D) %*% ch(.9, .7, .5))[dyad, ] + matrix(rnorm(2 * n), n) %*% ch(.6, .7, .2) + rep(c(5.4, 5), each = n)
w <- data.frame(therapist = t[dyad], dyad = dyad, session = ave(dyad, dyad, FUN = seq_along), client = round(y[, 1], 6), therapist_rating = round(y[, 2], 6)); wcsv(w, "one_with_many_sessions.csv"); w <- rcsv("one_with_many_sessions.csv")
l <- rbind(data.frame(w[, c("therapist", "dyad", "session")], rater = 1, y = w$client), data.frame(w[, c("therapist", "dyad", "session")], rater = 2, y = w$therapist_rating)); l <- l[order(l$therapist, l$dyad, l$session, l$rater), ]; l$rf <- factor(l$rater)
ct <- lmeControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-10, msTol = 1e-12, opt = "optim", reltol = 1e-14)
f <- lme(y ~ rf - 1, random = list(therapist = ~ rf - 1, dyad = ~ rf - 1), correlation = corSymm(form = ~ rater | therapist/dyad/session), weights = varIdent(form = ~ 1 | rf), data = l, method = "REML", control = ct)
part <- function(V) list(client = V[1, 1], therapist = V[2, 2], correlation = V[1, 2] / sqrt(V[1, 1] * V[2, 2]))
V <- lapply(f$modelStruct$reStruct, function(r) f$sigma^2 * as.matrix(r)); e <- f$sigma * coef(f$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
res <- list(means = vec(fixef(f)), therapist = part(V$therapist), dyad = part(V$dyad), error = list(client = as.numeric(e["1"])^2, therapist = as.numeric(e["2"])^2, correlation = as.numeric(coef(f$modelStruct$corStruct, unconstrained = FALSE))), logLik = as.numeric(logLik(f)))
gold_write("23_one_with_many_sessions", "Reciprocal one-with-many design with sessions, nlme", "one_with_many_sessions.csv", list(), res, "nlme", seed = 23, notes = "Iterated REML: compare variances and correlations at 1e-4, logLik at 1e-5.")
