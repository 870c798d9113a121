"""Vietnamese banks by the number under which NAPAS knows them."""

from collections.abc import Mapping

BANKS: Mapping[str, str] = {
    "970416": "ACB", "970436": "Vietcombank", "970415": "VietinBank", "970418": "BIDV", "970405": "Agribank",
    "970407": "Techcombank", "970422": "MBBank", "970432": "VPBank", "970423": "TPBank", "970403": "Sacombank",
    "970437": "HDBank", "970441": "VIB", "970443": "SHB", "970431": "Eximbank", "970426": "MSB", "970429": "SCB",
    "970448": "OCB", "970440": "SeABank", "970449": "LPBank", "970425": "ABBank", "970428": "Nam A Bank",
    "970409": "Bac A Bank", "970412": "PVcomBank", "970419": "NCB", "970452": "KienlongBank", "970433": "VietBank",
    "970427": "VietABank", "970454": "BVBank", "970438": "BaoViet Bank", "970430": "PGBank", "970400": "SaigonBank",
    "970408": "GPBank", "970414": "MBV", "970406": "Vikki Bank", "970444": "CBBank", "970446": "Co-opBank",
    "970421": "VRB", "970434": "Indovina", "970424": "Shinhan Bank", "970457": "Woori Bank", "970458": "UOB",
    "970410": "Standard Chartered", "970439": "Public Bank", "970442": "Hong Leong Bank", "970456": "IBK HCM",
    "970455": "IBK Hà Nội", "970463": "Kookmin HCM", "970462": "Kookmin Hà Nội", "422589": "CIMB", "458761": "HSBC",
    "546034": "Cake", "546035": "Ubank", "963388": "Timo", "963369": "Liobank", "668888": "Kasikornbank",
    "796500": "DBS", "801011": "Nonghyup Bank",
}  # fmt: skip


def bank_name(bin_number: str) -> str:
    """Return what a Vietnamese bank is called by people there."""
    return f"Ngân hàng {BANKS[bin_number]}"
