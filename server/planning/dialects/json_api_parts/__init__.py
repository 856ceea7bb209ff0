"""JSON:API in parts: what a request asks for, the documents it sends, and the programs that answer."""
