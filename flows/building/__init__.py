"""From the landing file to the next warehouse: dbt runs, and Great Expectations judges what it measured."""
