"""HTTP/1.1 for the servers of this project: bounded requests in, replies out."""
