"""The use cases, one file for each noun. They check what the access allows, gather changes, and commit them."""
