"""Where the bytes of attachments come from."""
