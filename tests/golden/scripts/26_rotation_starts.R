# Where R's single start, the identity, ends when a rotation has several minima: criterion of each, and the best of 30 random starts
source("lib/gold.R"); source("lib/tight.R"); suppressPackageStartupMessages({library(psych); library(GPArotation)})
sets <- c(bfi_pairwise = "bfi_pairwise_pearson_cor.csv", harman74 = "harman74_cor.csv", sim55 = "sim55_cor.csv")
run <- function(rotate, A, normalize, Tmat) suppressWarnings(rotate(A, Tmat = Tmat, normalize = normalize, maxit = 1000))
value <- function(q) tail(q$Table[, 2], 1)
one <- function(A, rotate, normalize) { m <- ncol(A); set.seed(11)
  random <- vapply(1:30, function(i) value(run(rotate, A, normalize, Random.Start(m))), 0)
  first <- run(rotate, A, normalize, diag(m)); list(identity = value(first), identity_converged = first$convergence, best_of_random = min(random)) }
res <- list()
for (s in names(sets)) { R <- rcor(sets[[s]]); res[[s]] <- list()
  for (k in 4:9) { A <- tight_extract(R, k, "uls")$loadings
    res[[s]][[as.character(k)]] <- list(oblimin = one(A, oblimin, FALSE), oblimin_kaiser = one(A, oblimin, TRUE), geominQ = one(A, geominQ, FALSE)) } }
gold_write("26_rotation_starts", "Minima of oblique rotations from the identity and from random starts", unname(sets), list(extraction = "uls", components = 4:9, eps = 1e-5, maxit = 1000, geomin_delta = .01, seed = 11), res, c("psych", "GPArotation"),
  notes = "GPArotation's value of the criterion; of Kaiser-normalised rotations that of the normalised loadings.")
