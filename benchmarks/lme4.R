# CPU seconds of lme4 for the mixed models of benchmarks/large_models.py; prints one line of JSON.
suppressMessages(library(lme4))
d <- read.csv(commandArgs(trailingOnly = TRUE)[1], stringsAsFactors = TRUE)
fixed <- paste(grep("^component_", names(d), value = TRUE), collapse = " + ")
took <- function(random) {
  formula <- as.formula(paste("y ~", fixed, "+", random))
  sum(system.time(lmer(formula, data = d))[c("user.self", "sys.self")])
}
cat(sprintf('{"lme4 lmer": %.4f, "lme4 lmer, therapists in sites": %.4f}\n',
            took("(1 | therapist)"), took("(1 | site) + (1 | therapist)")))
