# Thresholds and empty cells: polychoric correlations of psych's fa(), of tetrachoric() and of lavaan where they differ
source("lib/gold.R"); suppressPackageStartupMessages({library(psych); library(lavaan)})
set.seed(5); n <- 120; x <- matrix(rnorm(n * 6), n) + rnorm(n)
cuts <- list(c(-2.2, -.5, .8, 2), c(-1, 0, 1.8))
d <- sapply(1:6, function(j) findInterval(x[, j], cuts[[if (j < 4) 1 else 2]]) + 1); d[sample(length(d), 60)] <- NA
d <- as.data.frame(d); names(d) <- c("five_1", "five_2", "five_3", "four_1", "four_2", "four_3"); wcsv(d, "mixed_categories.csv")
two <- as.data.frame((as.matrix(d) > 2) * 1); two$five_1 <- (d$five_1 > 4) * 1; two <- two[, 1:4]; wcsv(two, "two_categories.csv")
r <- function(X, cor, ...) { f <- catchw(fa(X, 1, cor = cor, smooth = FALSE, ...)); list(rho = mat(f$value$r), warnings = f$warnings) }
lv <- function(X, ...) { X <- as.data.frame(lapply(X, ordered)); mat(lavCor(X, ordered = names(X), missing = "pairwise", ...)) }
same <- d[, 1:3]
res <- list(same = list(psych_fa_poly = r(same, "poly"), psych_fa_poly_correct0 = r(same, "poly", correct = 0), lavaan = lv(same), empty_cells = sum(table(same[, 1], same[, 2]) == 0)),
  mixed = list(psych_fa_poly = r(d, "poly"), psych_fa_poly_correct0 = r(d, "poly", correct = 0), lavaan = lv(d)),
  two = list(psych_fa_tet = r(two, "tet"), lavaan = lv(two), lavaan_zero_add_0 = lv(two, zero.add = c(0, 0)), table_1_3 = mat(table(two[, 1], two[, 3]))))
gold_write("28_polychoric_definitions", "Polychoric correlations where psych, its tetrachoric and lavaan differ", c("mixed_categories.csv", "two_categories.csv"), list(correct = "0.5 unless said"), res, c("psych", "lavaan"), seed = 5,
  notes = c("fa(cor = 'poly') calls polychoric(), which with items of one highest category uses thresholds of all rows and adds nothing to empty cells whatever 'correct' says; with different ones it sets global = FALSE: thresholds of each pair's own table after 'correct' was added to its empty cells, without rescaling.", "tetrachoric() adds 0.5 to an empty cell and keeps the thresholds of all rows.", "lavaan adds 0.5 to an empty cell of a 2 x 2 table and keeps its margins (zero.add, zero.keep.margins); to larger tables nothing."))
