"""The durable kernel: due rows claimed in batches under a lease with a fencing token, fair between lanes and within
their budgets; leases for long-lived holders; hints that there is work."""
