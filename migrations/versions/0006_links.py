"""Finding orders by their links: by the name at a link's end, whatever is written around it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What a link is about is mostly its last word. Some platforms put it into the query, which only links with one are
# searched for, or write more behind it. Long ones are cut off, so that any link has its place in the index.
LINK_NAME = r"""
CREATE FUNCTION link_name(link text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(coalesce(
        CASE WHEN strpos(link, '=') > 0 THEN substring(lower(link) FROM
            '(?:watch/?\?(?:[^#]*&)?v|profile\.php\?(?:[^#]*&)?id|playlist\?(?:[^#]*&)?list|[?&](?:story_fbid|fbid))=([^&#]+)')
        END,
        nullif(split_part(split_part(split_part(split_part(lower(link), '?', 1), '#', 1), '/status/', 2), '/', 1), ''),
        nullif(split_part(split_part(split_part(split_part(lower(link), '?', 1), '#', 1), 'youtube.com/@', 2), '/', 1), ''),
        ltrim(split_part(rtrim(split_part(split_part(replace(lower(link), '://www.', '://'), '?', 1), '#', 1), '/'), '/', -1),
            '@+')
    ), 64)
$$
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(LINK_NAME)
    op.create_index("ix_orders_link_name", "orders", [sa.text("link_name(link) text_pattern_ops"), "id"])
