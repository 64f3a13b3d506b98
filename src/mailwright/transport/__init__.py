"""The only room that opens sockets for sending: policy, TLS, sessions, pools."""
