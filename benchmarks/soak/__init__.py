"""Hours in minutes: clients of every kind that come, break off, come back and change rooms, and a judge of it all."""
