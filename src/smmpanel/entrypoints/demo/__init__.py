"""A panel to look at, with people, orders and money in it, made anew for each look and gone afterwards."""
