"""Mail: notices as letters, and the server that takes them."""
