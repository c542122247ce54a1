"""Texts of quality against money: key: (English, Chinese). Braces are filled in."""

WORTH: dict[str, tuple[str, str]] = {
    "all_costs_1000": ("All costs at this volume, per 1,000 answers", "此用量下每千次回答的全部费用"),
    "all_costs_month": ("All costs of a month", "一个月的全部费用"),
    "all_costs_million": ("Per million tokens", "每百万词元"),
    "nobody_beats": ("Nobody is better and cheaper", "没有更好又更便宜的"),
}
