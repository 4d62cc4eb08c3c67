"""Who is calling: the client certificate, the credentials in the message, and what the directory knows of both."""
