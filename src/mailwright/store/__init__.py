"""What is kept: the database (SQLite or PostgreSQL), the bodies, and both at rest under keys."""
