"""A fake of the payment gateways: each vendor's API, payment page and messages, signed with keys of its own."""
