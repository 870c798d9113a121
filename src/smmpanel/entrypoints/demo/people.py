"""Who lives in a demonstration: invented customers, their links, and how much money means to them."""

import random
import string
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

DEMO_USERNAME: Final = "demo"
OTHERS = (
    "linh.nguyen",
    "quocbao_media",
    "trangstore",
    "hoang-digital",
    "mai_anh",
    "rizky.pratama",
    "adaeze.shop",
    "studio24h",
)
HANDLES = (
    "tiembanhmay",
    "quancaphenho",
    "thuhuong.daily",
    "saigonstreetfood",
    "dalatphim",
    "gymcungnam",
    "mebimsua.kitchen",
    "hanoi_vintage",
    "nhaminh.decor",
    "pho.bo.bac",
    "trekking.vn",
    "lofi.hcmc",
    "xeom.review",
    "hoc.tieng.anh",
)
COMMENTS = (
    "Quán này ngon thật sự!",
    "Ship về Đà Nẵng được không ạ?",
    "Đẹp quá shop ơi",
    "Love this, where can I buy it?",
    "Mình mua rồi, chất lượng lắm",
    "Cho mình xin giá với",
    "Great content, keep going!",
    "Video nào cũng xem đi xem lại",
)
# {name} is a profile, {code} a post.
_PROFILES: Mapping[str, str] = {
    "instagram": "https://www.instagram.com/{name}/",
    "tiktok": "https://www.tiktok.com/@{name}",
    "youtube": "https://www.youtube.com/@{name}",
    "facebook": "https://www.facebook.com/{name}",
    "telegram": "https://t.me/{name}",
    "x": "https://x.com/{name}",
    "threads": "https://www.threads.net/@{name}",
}
_POSTS: Mapping[str, str] = {
    "instagram": "https://www.instagram.com/p/{code}/",
    "tiktok": "https://www.tiktok.com/@{name}/video/{number}",
    "youtube": "https://www.youtube.com/watch?v={code}",
    "facebook": "https://www.facebook.com/{name}/posts/{number}",
    "telegram": "https://t.me/{name}/{small}",
    "x": "https://x.com/{name}/status/{number}",
    "threads": "https://www.threads.net/@{name}/post/{code}",
}
PLATFORMS_ORDERED = tuple(_PROFILES)
_ABOUT_PROFILES = ("follower", "subscriber", "member")
_CODE_LETTERS = string.ascii_letters + string.digits
CODE_LENGTH = 11


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who orders."""

    user_id: int
    username: str
    dollars_a_visit: Decimal
    """What a visit costs them, roughly, in dollars' worth."""


def link_for(rng: random.Random, platform: str, service_name: str) -> str:
    """Return a link that a service of this platform would be ordered for."""
    about_profile = any(word in service_name.lower() for word in _ABOUT_PROFILES)
    pattern = (_PROFILES if about_profile else _POSTS)[platform]
    name = rng.choice(HANDLES)
    return pattern.format(
        name=name.replace(".", "_").replace("-", "_")[:15] if platform in {"telegram", "x"} else name,
        code="".join(rng.choices(_CODE_LETTERS, k=CODE_LENGTH)),
        number=rng.randrange(10**18, 9 * 10**18),
        small=rng.randrange(12, 4_000),
    )
