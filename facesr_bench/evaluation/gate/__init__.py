"""`facesr-bench check` and `compare`: what is run, found and read before results are judged (`results.gate`)."""
