"""Coverage-guided fuzzing of all that reads what strangers wrote: `./run fuzz`."""
