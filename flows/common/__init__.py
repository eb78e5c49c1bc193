"""What every room needs: errors, problems, paths, database connections, the lock, progress. Imports no other room."""
