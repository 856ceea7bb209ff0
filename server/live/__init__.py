"""What follows from a change: who hears of it, which replies are still remembered, and who watches."""
