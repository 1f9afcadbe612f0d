"""The senses: they read files, /proc, sockets and servers, and never write."""
