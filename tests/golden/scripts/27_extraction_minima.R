# Where minres and ML have several minima, and where a uniqueness stands at its bound: what psych and factanal end in
source("lib/gold.R"); suppressPackageStartupMessages({library(psych); library(lavaan)})
ms <- list(Schmid = Schmid, swiss = cor(swiss), Holzinger = Holzinger, Reise = Reise, Thurstone = Thurstone, bfi_A = cor(bfi[, 1:5], use = "pairwise"), Harman.political = Harman.political)
off <- function(R, L) { E <- R - L %*% t(L); sum(E[lower.tri(E)]^2) }
one <- function(name, k, fm) {
  R <- ms[[name]]; f <- catchw(fa(R, k, fm = fm, rotate = "none", n.obs = 200))$value; L <- unclass(f$loadings)
  res <- list(matrix = name, n_factors = k, fm = fm, loadings = mat(L), communality = vec(f$communality), off_diagonal = off(R, L))
  if (fm == "ml") { g <- factanal(covmat = R, factors = k, n.obs = 200, rotation = "none"); res$factanal_uniqueness <- vec(g$uniquenesses); res$factanal_criterion <- unname(g$criteria["objective"]) }
  res
}
same <- list(c("Schmid", 3, "ml"), c("swiss", 2, "ml"), c("Holzinger", 6, "ml"), c("Holzinger", 6, "minres"))
higher <- list(c("Reise", 4, "ml"), c("Thurstone", 4, "minres"), c("bfi_A", 2, "minres"), c("bfi_A", 2, "ml"))
run <- function(x) lapply(x, function(v) one(v[1], as.numeric(v[2]), v[3]))
bound <- lapply(c("minres", "uls", "ols"), function(fm) one("Harman.political", 3, fm))
res <- list(matrices = lapply(ms, mat), r_has_the_lowest = run(same), r_ends_higher = run(higher), at_the_bound = setNames(bound, c("minres", "uls", "ols")))
gold_write("27_extraction_minima", "Extractions with several minima, and at the bound of a uniqueness", c("psych: Schmid, Holzinger, Reise, Thurstone, Harman.political, bfi", "datasets: swiss"), list(n.obs = 200, rotate = "none"), res, c("psych"),
  notes = c("r_has_the_lowest: Newton from squared multiple correlations ends higher than R's L-BFGS-B from the same start.", "r_ends_higher: R's single start ends in a minimum that is not the lowest.", "at_the_bound: psych's minres minimises the off-diagonal residuals with the gradient of all of them, and at the bound of a uniqueness ends between the optimum of uls (which SPSS has) and that of ols."))
