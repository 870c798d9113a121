"""Staff's pages about orders."""

from smmpanel.orders.staff.bulk import router as _bulk
from smmpanel.orders.staff.order import router as _order
from smmpanel.orders.staff.order_list import router as _order_list

# The list's own addresses come before those of single orders.
ROUTERS = (_order_list, _bulk, _order)

__all__ = ["ROUTERS"]
