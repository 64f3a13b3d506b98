"""Judging what came of a message: pure functions of the server's answer, the plan and the time."""
