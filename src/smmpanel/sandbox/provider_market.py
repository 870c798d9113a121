"""What this market sells, as data for the made-up catalogue. Rates are millionths of a dollar per 1,000 (or per package)."""

from typing import NamedTuple


class Product(NamedTuple):
    """One kind of thing sold on one platform."""

    platform: str
    noun: str
    cheapest: int
    dearest: int
    smallest: int
    largest: int
    drops: bool = True
    """What drops can be refilled; plays and visits are counted once and stay."""
    type: str = "Default"


PRODUCTS = (
    Product("Instagram", "Followers", 280_000, 4_200_000, 10, 1_000_000),
    Product("Instagram", "Likes", 18_000, 900_000, 10, 500_000),
    Product("Instagram", "Reel Views", 300, 45_000, 100, 100_000_000, drops=False),
    Product("Instagram", "Story Views", 9_000, 350_000, 20, 50_000, drops=False),
    Product("Instagram", "Saves", 12_000, 240_000, 10, 100_000),
    Product("Instagram", "Impressions + Reach", 8_000, 190_000, 100, 2_000_000, drops=False),
    Product("Instagram", "Live Video Viewers", 900_000, 9_800_000, 20, 20_000, drops=False),
    Product("TikTok", "Followers", 620_000, 5_900_000, 10, 500_000),
    Product("TikTok", "Likes", 14_000, 820_000, 10, 1_000_000),
    Product("TikTok", "Views", 250, 38_000, 100, 1_000_000_000, drops=False),
    Product("TikTok", "Shares", 6_000, 260_000, 10, 10_000_000, drops=False),
    Product("TikTok", "Live Stream Views", 450_000, 7_400_000, 10, 50_000, drops=False),
    Product("YouTube", "Subscribers", 1_900_000, 34_000_000, 50, 100_000),
    Product("YouTube", "Views", 480_000, 3_600_000, 100, 10_000_000),
    Product("YouTube", "Likes", 190_000, 1_700_000, 10, 250_000),
    Product("YouTube", "Watch Time", 8_500_000, 48_000_000, 100, 4_000),
    Product("YouTube", "Shorts Views", 390_000, 2_100_000, 100, 5_000_000),
    Product("Facebook", "Page Followers", 240_000, 3_900_000, 100, 500_000),
    Product("Facebook", "Post Likes", 90_000, 1_100_000, 20, 100_000),
    Product("Facebook", "Video Views", 11_000, 420_000, 100, 10_000_000, drops=False),
    Product("Facebook", "Group Members", 410_000, 5_200_000, 100, 200_000),
    Product("Telegram", "Channel Members", 95_000, 3_300_000, 10, 300_000),
    Product("Telegram", "Post Views", 700, 55_000, 10, 5_000_000, drops=False),
    Product("Telegram", "Reactions 👍🔥❤️", 9_000, 180_000, 10, 200_000),
    Product("X (Twitter)", "Followers", 1_300_000, 14_000_000, 10, 100_000),
    Product("X (Twitter)", "Likes", 580_000, 4_700_000, 10, 50_000),
    Product("X (Twitter)", "Tweet Views", 2_200, 64_000, 100, 50_000_000, drops=False),
    Product("Threads", "Followers", 1_700_000, 9_300_000, 10, 50_000),
    Product("Threads", "Likes", 610_000, 3_800_000, 10, 20_000),
    Product("Spotify", "Plays", 140_000, 1_500_000, 1_000, 10_000_000),
    Product("Spotify", "Followers", 210_000, 2_000_000, 20, 500_000),
    Product("Spotify", "Monthly Listeners", 690_000, 3_200_000, 500, 1_000_000),
    Product("Twitch", "Followers", 330_000, 3_100_000, 10, 50_000),
    Product("Discord", "Server Members", 1_400_000, 17_000_000, 10, 50_000),
    Product("LinkedIn", "Followers", 4_100_000, 23_000_000, 10, 30_000),
    Product("Pinterest", "Followers", 900_000, 6_000_000, 20, 20_000),
    Product("SoundCloud", "Plays", 900, 120_000, 100, 10_000_000, drops=False),
    Product("Reddit", "Post Upvotes", 12_000_000, 88_000_000, 5, 3_000),
    Product("Kwai", "Views", 1_500, 90_000, 100, 1_000_000, drops=False),
    Product("WhatsApp", "Channel Members", 2_300_000, 15_000_000, 10, 40_000),
)

# Every service type of the API once, besides Default: a catalogue of 17 or more services has them all.
SPECIALS = (
    Product("Instagram", "Followers Package (1,000)", 650_000, 4_000_000, 1, 1, type="Package"),
    Product("Instagram", "Custom Comments", 4_800_000, 36_000_000, 5, 5_000, type="Custom Comments"),
    Product("Instagram", "Comments Package (10)", 350_000, 900_000, 1, 1, type="Custom Comments Package"),
    Product("Instagram", "Mentions", 2_100_000, 9_000_000, 100, 50_000, drops=False, type="Mentions"),
    Product(
        "Instagram",
        "Mentions + Hashtags",
        2_600_000,
        9_500_000,
        100,
        50_000,
        drops=False,
        type="Mentions with Hashtags",
    ),
    Product(
        "Instagram",
        "Mentions Custom List",
        3_000_000,
        11_000_000,
        10,
        20_000,
        drops=False,
        type="Mentions Custom List",
    ),
    Product("Instagram", "Hashtag Mentions", 2_500_000, 9_200_000, 100, 50_000, drops=False, type="Mentions Hashtag"),
    Product(
        "Instagram",
        "Mentions of User's Followers",
        2_700_000,
        9_900_000,
        100,
        100_000,
        drops=False,
        type="Mentions User Followers",
    ),
    Product(
        "Instagram",
        "Mentions of Media Likers",
        2_700_000,
        9_900_000,
        100,
        100_000,
        drops=False,
        type="Mentions Media Likers",
    ),
    Product("YouTube", "Comment Likes", 1_100_000, 5_000_000, 20, 50_000, type="Comment Likes"),
    Product("YouTube", "Comment Replies", 19_000_000, 47_000_000, 5, 1_000, type="Comment Replies"),
    Product("X (Twitter)", "Poll Votes", 480_000, 3_900_000, 100, 500_000, drops=False, type="Poll"),
    Product("Facebook", "Group Invites", 5_200_000, 16_000_000, 100, 20_000, drops=False, type="Invites from Groups"),
    Product("Google", "SEO Backlinks", 7_000_000, 90_000_000, 50, 10_000, drops=False, type="SEO"),
    Product("Website", "Traffic", 120_000, 1_400_000, 500, 1_000_000, drops=False, type="Web Traffic"),
    Product("Instagram", "Auto Likes (new posts)", 60_000, 1_200_000, 20, 20_000, type="Subscriptions"),
)

QUALITIES = (
    "Real",
    "Mixed",
    "HQ",
    "LQ",
    "Bots",
    "Old Accounts With Posts",
    "Real & Active",
    "Premium",
    "Female",
    "Exclusive",
)
COUNTRIES = (
    "",
    "",
    "",
    "",
    "",
    "Brazil 🇧🇷",
    "USA 🇺🇸",
    "India 🇮🇳",
    "Arab 🇸🇦",
    "Turkey 🇹🇷",
    "Russia 🇷🇺",
    "Vietnam 🇻🇳",
    "Indonesia 🇮🇩",
)
STARTS = ("Instant Start", "0-5 Min", "0-1H", "0-6H", "0-12H", "0-24H")
SPEEDS = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 500_000, 1_000_000)
GUARANTEES = ("R30 ♻️", "R60 ♻️", "R90 ♻️", "R365 ♻️", "Lifetime ♻️", "30 Days ♻️", "Non-drop ♻️", "Low drop ♻️")
UNGUARANTEED = ("No Refill ⚠️", "Non-drop", "No Refill", "Drop 0-5%", "Drop 10-30% ⚠️")
SECTIONS = (
    "",
    "⚡ Fast",
    "🔥 Best Sellers",
    "💎 Premium Quality",
    "♻️ Guaranteed",
    "🌍 Targeted",
    "💧 Cheapest",
    "👑 Exclusive",
)

# Roughly what one dollar is worth, so that an account in another currency shows believable rates.
PER_DOLLAR = {
    "USD": 1,
    "EUR": 1,
    "VND": 25_000,
    "IDR": 16_000,
    "INR": 85,
    "NGN": 1_500,
    "BRL": 5,
    "TRY": 40,
    "RUB": 90,
    "NPR": 135,
}
