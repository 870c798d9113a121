"""Which routes count, in SQL, once: for prices, for price lists and for handing orders in they must be the same.

A route is *live* if it and its provider are switched on, the provider still lists the service under the same type, and
there is a rate from the provider's currency to the panel's. A paused provider's routes are live: pauses end.
"""

MISSES_UNTIL_GONE = 2
"""Complete lists in a row without a service, after which it counts as gone."""


def fx_sql(base: str, quote: str) -> str:
    """Return an SQL expression for what one unit of `base` is worth in `quote`; `NULL` where nobody said."""
    return (
        f"CASE WHEN {base} = {quote} THEN 1 ELSE COALESCE("
        f"(SELECT x.rate FROM fx_rates x WHERE x.base = {base} AND x.quote = {quote}),"
        f" (SELECT 1 / x.rate FROM fx_rates x WHERE x.base = {quote} AND x.quote = {base})) END"
    )


FX = fx_sql("p.currency", "CAST(:currency AS text)")
"""From the currency of provider `p` to the panel's, which is the parameter `currency`."""

_SWITCHED_ON = f"""
  FROM service_routes r
  JOIN provider_services ps ON ps.id = r.provider_service_id
  JOIN providers p ON p.id = ps.provider_id
 WHERE r.enabled AND p.enabled AND ps.misses < {MISSES_UNTIL_GONE} AND ps.type = s.type AND r.service_id = s.id
"""
LIVE_ROUTES = f"{_SWITCHED_ON} AND ({FX}) IS NOT NULL"
"""Live routes `r` of a service `s`, with provider `p` and its service `ps`; to be put behind `SELECT`."""

_FIRST = "r.id AS route_id, ps.id AS provider_service_id, p.markup_percent, p.markup_fixed, p.rounding_step"
_IN_LINE = "ORDER BY r.priority, r.id LIMIT 1"
FIRST_ROUTE = f"""
LEFT JOIN LATERAL (
    SELECT {_FIRST}, ps.rate AS upstream_rate, {FX} AS fx {LIVE_ROUTES} {_IN_LINE}
) f ON s.mode = 'provider'
"""
"""Joins a service `s` with the live route that is asked first, as `f`: it makes the cost and sets the terms."""

FIRST_ROUTE_OF_ANY_CURRENCY = f"""
LEFT JOIN LATERAL (SELECT {_FIRST} {_SWITCHED_ON} {_IN_LINE}) f ON s.mode = 'provider'
"""
"""The same without asking for FX, for whoever reads the routes themselves beside it."""

PANEL_MARKUP = """
panel AS (
    SELECT max(CAST(value #>> '{}' AS numeric)) FILTER (WHERE name = 'default_markup_percent') AS markup_percent,
           max(CAST(value #>> '{}' AS numeric)) FILTER (WHERE name = 'default_markup_fixed') AS markup_fixed,
           max(CAST(value #>> '{}' AS numeric)) FILTER (WHERE name = 'default_rounding_step') AS rounding_step
      FROM panel_options
     WHERE name IN ('default_markup_percent', 'default_markup_fixed', 'default_rounding_step')
)
"""
"""A common table expression `panel` of one row: the markup of services for which nothing nearer says one."""
