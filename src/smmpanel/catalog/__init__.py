"""What is for sale: categories and services, the providers behind them, prices, stock.

Verbs live in the module named after what they do; others import them from there.

| to | ask |
| --- | --- |
| list what is on sale, or get the terms an order is placed under | `price_lists` |
| know which providers an order can go to | `routes` |
| take services from a provider, follow what it changes | `importing`, `syncing` |
| make and change services and categories, by hand or by file | `editing`, `csv_files` |
| set exchange rates, markups, users' own prices; work prices out anew | `fx`, `markups`, `user_prices`, `repricing` |
| put in, sell and read stock | `stock` |
| check an order's fields and links | `service_types`, `links` |
"""
