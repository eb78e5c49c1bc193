# lme4 and lmerTest: therapists nested in sites, effects within and between therapists, a singular fit.
# Run from tests/golden: Rscript scripts/21_nested_models.R
source("lib/gold.R"); suppressPackageStartupMessages({library(lme4); library(lmerTest)})
set.seed(21); site <- rep(1:8, times = c(3, 5, 4, 6, 2, 7, 5, 4)); G <- length(site); k <- sample(1:9, G, TRUE); t <- rep(seq_len(G), k); n <- length(t)
d <- data.frame(site = site[t], therapist = t, x = round(rnorm(n) + .6 * rnorm(G)[t], 6)); d$y <- round(.3 * d$x + .6 * rnorm(8)[d$site] + .8 * rnorm(G)[t] + rnorm(n), 6); d$flat <- round(.3 * d$x + rnorm(n) - .25 * rnorm(G)[t], 6)
d$flat <- round(d$flat - ave(d$flat, d$therapist) + rnorm(n, sd = .01), 6); wcsv(d, "nested_outcome.csv"); d <- rcsv("nested_outcome.csv"); d$xb <- ave(d$x, d$therapist); d$xw <- d$x - d$xb; ctl <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10))
one <- function(f, R) { f <- lmer(f, d, REML = R, control = ctl); v <- as.data.frame(VarCorr(f)); co <- coef(summary(f)); list(coefficients = tab(cbind(term = rownames(co), as.data.frame(co))), grp = v$grp, vcov = vec(v$vcov), logLik = as.numeric(logLik(f)), singular = isSingular(f)) }
m <- list(nested = y ~ x + (1 | therapist) + (1 | site), levels = y ~ xw + xb + (1 | therapist), singular = flat ~ x + (1 | therapist)); res <- lapply(m, function(f) list(REML = one(f, TRUE), ML = one(f, FALSE)))
gold_write("21_nested_models", "Nested random intercepts, within and between effects", "nested_outcome.csv", list(), res, c("lme4", "lmerTest"), seed = 21, notes = "grp and vcov: variance components by name; therapists have ids of their own in every site.")
