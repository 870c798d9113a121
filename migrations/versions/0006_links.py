"""Finding orders by their links: by the name at a link's end, whatever is written around it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# In PL/pgSQL, as a function in SQL would be unfolded and planned anew into every statement that writes an order.
#
# What a link is about is mostly its last word. Some platforms put it into the query, which only links with one are
# searched for, or write more behind it. Long ones are cut off, so that any link has its place in the index.
LINK_NAME = r"""
CREATE OR REPLACE FUNCTION link_name(link text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    low text := lower(link);
    path text := split_part(split_part(low, '?', 1), '#', 1);
    name text;
BEGIN
    IF strpos(low, '=') > 0 THEN
        name := substring(low FROM '(?:watch/?\?(?:[^#]*&)?v|profile\.php\?(?:[^#]*&)?id|playlist\?(?:[^#]*&)?list'
            '|[?&](?:story_fbid|fbid))=([^&#]+)');
    END IF;
    IF name IS NULL AND strpos(path, '/status/') > 0 THEN
        name := split_part(split_part(path, '/status/', 2), '/', 1);
    ELSIF name IS NULL AND strpos(path, 'youtube.com/@') > 0 THEN
        name := split_part(split_part(path, 'youtube.com/@', 2), '/', 1);
    END IF;
    RETURN left(coalesce(nullif(name, ''),
        ltrim(split_part(rtrim(replace(path, '://www.', '://'), '/'), '/', -1), '@+')), 64);
END
$$
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(LINK_NAME)
    # Orders are taken meanwhile. What an attempt left behind that was broken off is no index.
    with op.get_context().autocommit_block():
        op.drop_index("ix_orders_link_name", "orders", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_orders_link_name",
            "orders",
            [sa.text("link_name(link) text_pattern_ops"), "id"],
            postgresql_concurrently=True,
        )
