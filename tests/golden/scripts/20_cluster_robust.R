# CR0..CR3 with Satterthwaite degrees of freedom and HTZ Wald tests (clubSandwich) on an unbalanced clustered design.
# Run from tests/golden: Rscript scripts/20_cluster_robust.R
source("lib/gold.R"); suppressPackageStartupMessages(library(clubSandwich))
set.seed(20); sizes <- c(1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 12, 1, 2, 7); g <- rep(seq_along(sizes), sizes); n <- length(g); u <- rnorm(length(sizes))
d <- data.frame(therapist = g, x1 = round(rnorm(n) + .5 * u[g], 6), x2 = round(rnorm(n), 6), x3 = round(rnorm(length(sizes))[g], 6)); d$y <- round(.4 * d$x1 + .2 * d$x3 + .7 * rnorm(length(sizes))[g] + rnorm(n), 6)
wcsv(d, "clustered_outcome.csv"); d <- rcsv("clustered_outcome.csv"); f <- lm(y ~ x1 + x2 + x3, d); res <- list()
for (t in c("CR0", "CR1", "CR1S", "CR2", "CR3")) { V <- vcovCR(f, cluster = d$therapist, type = t); ct <- as.data.frame(coef_test(f, vcov = V, test = "Satterthwaite"))
  res[[t]] <- list(vcov = mat(as.matrix(V)), se = vec(ct$SE), df = vec(ct$df), p = vec(ct$p_Satt)) }
W <- function(k) { w <- as.data.frame(Wald_test(f, constraints = constrain_zero(k), vcov = "CR2", cluster = d$therapist, test = "HTZ")); list(F = w$Fstat, df1 = w$df_num, df2 = w$df_denom, p = w$p_val) }
res$htz_all <- W(2:4); res$htz_x1_x2 <- W(2:3); res$htz_x1 <- W(2)
gold_write("20_cluster_robust", "Cluster-robust regression, clubSandwich", "clustered_outcome.csv", list(formula = "y ~ x1 + x2 + x3, clusters therapist"), res, "clubSandwich", seed = 20, notes = "Working model: independence (the default for lm).")
