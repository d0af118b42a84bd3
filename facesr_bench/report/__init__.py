"""What people see after a run: tables, pictures and pages, all made from results on disk."""
