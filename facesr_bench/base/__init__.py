"""What everything else stands on: errors, files, hashes, devices, the environment."""
