"""What the table of the dialect `pocketbase` is made of: its filter language and its programs."""
