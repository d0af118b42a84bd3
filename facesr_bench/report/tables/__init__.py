"""Tables for papers and terminals."""
