"""Staff's pages about users: the list, and everything about one."""

from smmpanel.reports.users.deeds import router as _deeds
from smmpanel.reports.users.list_page import router as _list
from smmpanel.reports.users.user_page import router as _user

ROUTERS = (_list, _user, _deeds)

__all__ = ["ROUTERS"]
