"""What is measured, and against what. `./lab bench` runs it."""
