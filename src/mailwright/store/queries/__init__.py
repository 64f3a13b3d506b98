"""What is read from the database, one file for each noun: functions for `Database.read`, and some for its writer."""
