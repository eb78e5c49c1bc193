"""The analyse step: read rows from the build, run the analyses of `analysis/`, write their tables to `results`."""
