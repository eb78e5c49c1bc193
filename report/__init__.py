"""The static report of one refresh: one page without scripts, made from the warehouse file alone."""
