"""Events to the outside: what is sent, how it is signed, and what an answer means. Keeps nothing and waits for nothing:
the rows and the loop that finds due ones are elsewhere."""
