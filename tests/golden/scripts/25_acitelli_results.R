# The couples of 24 as a published study of dyads tells of them: wife as client, husband as therapist, every couple a
# cluster of its own. Response surfaces of both outcomes of both partners, actor and partner paths in standard deviations.
# Run from tests/golden: Rscript scripts/25_acitelli_results.R
source("lib/gold.R"); suppressPackageStartupMessages({library(clubSandwich); library(lavaan)})
w <- rcsv("acitelli_couples.csv"); couple <- w$couple
who <- c(client = "wife", therapist = "husband"); views <- c("other", "self")
# Higher is better in the tables: tension, of which more is worse, has its sign turned.
benefit <- function(rater, measure) (if (measure == "tension") -1 else 1) * w[[paste(who[[rater]], measure, sep = "_")]]
row <- function(est, se, df) { t <- est / se; h <- qt(.975, df) * se; list(estimate = est, se = se, df = df, statistic = t, p = 2 * pt(-abs(t), df), lower = est - h, upper = est + h) }
contrast <- function(g, V, a) { k <- linear_contrast(g, V, contrasts = matrix(a, 1), test = "Satterthwaite", p_values = TRUE); row(k$Est, k$SE, k$df) }
L <- list(b1 = c(0, 1, 0, 0, 0, 0), b2 = c(0, 0, 1, 0, 0, 0), b3 = c(0, 0, 0, 1, 0, 0), b4 = c(0, 0, 0, 0, 1, 0), b5 = c(0, 0, 0, 0, 0, 1),
          a1 = c(0, 1, 1, 0, 0, 0), a2 = c(0, 0, 0, 1, 1, 1), a3 = c(0, 1, -1, 0, 0, 0), a4 = c(0, 0, 0, 1, -1, 1), a5 = c(0, 0, 0, 1, 0, -1))
surface <- function(rater, measure, view) { x <- w[[paste0("wife_", view)]]; y <- w[[paste0("husband_", view)]]; c0 <- mean(c(x, y))
  d <- data.frame(z = benefit(rater, measure), x = x - c0, y = y - c0); g <- lm(z ~ x + y + I(x^2) + I(x * y) + I(y^2), d); V <- vcovCR(g, cluster = couple, type = "CR2")
  c(lapply(L, function(a) contrast(g, V, a)), list(variance_explained = summary(g)$r.squared)) }
paths <- function(measure, view) { d <- data.frame(x = w[[paste0("wife_", view)]], y = w[[paste0("husband_", view)]], c = benefit("client", measure), t = benefit("therapist", measure))
  one <- function(z, term, view_sd) { g <- lm(reformulate(c("x", "y"), z), d); V <- vcovCR(g, cluster = couple, type = "CR2"); r <- contrast(g, V, as.numeric(c("(Intercept)", "x", "y") == term)); s <- sd(d[[view_sd]]) / sd(d[[z]])
    r[c("estimate", "se", "lower", "upper")] <- lapply(r[c("estimate", "se", "lower", "upper")], function(v) v * s); r }
  gc <- lm(c ~ x + y, d); gt <- lm(t ~ x + y, d)
  free <- "c ~ x + y\nt ~ x + y\nx ~~ y\nc ~~ t"; alike <- "c ~ a*x + p*y\nt ~ p*x + a*y\nx ~~ v*x + y\ny ~~ v*y\nc ~~ e*c + t\nt ~~ e*t\nx ~ m*1\ny ~ m*1\nc ~ k*1\nt ~ k*1"
  fit <- function(m) tight_lavaan("sem", m, d, meanstructure = TRUE, fixed.x = FALSE); l <- as.data.frame(lavTestLRT(fit(free), fit(alike)))
  list(actor_client = one("c", "x", "x"), partner_client = one("c", "y", "y"), actor_therapist = one("t", "y", "y"), partner_therapist = one("t", "x", "x"),
       variance_explained = list(client = summary(gc)$r.squared, therapist = summary(gt)$r.squared), residual_correlation = cor(resid(gc), resid(gt)), views_correlation = cor(d$x, d$y),
       distinguishable = list(chisq = l[["Chisq diff"]][2], df = l[["Df diff"]][2], p = l[["Pr(>Chisq)"]][2])) }
each <- function(names, f) setNames(lapply(names, f), names)
res <- list(n = nrow(w), surface = each(c("satisfaction", "tension"), function(m) each(names(who), function(r) each(views, function(v) surface(r, m, v)))),
            actor_partner = each(c("satisfaction", "tension"), function(m) each(views, function(v) paths(m, v))))
gold_write("25_acitelli_results", "Real dyads: the couples of 24 as the tables of results have them", "acitelli_couples.csv", list(covariance = "CR2, every couple its own cluster", df = "Satterthwaite"), res, c("clubSandwich", "lavaan"), notes = c("Outcomes are signed so that higher is better.", "Paths, their errors and limits are multiplied by the ratio of the standard deviations of view and outcome."))
