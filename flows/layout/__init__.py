"""Settings and the headers of deliveries, resolved to the tables that dbt reads instead of settings."""
