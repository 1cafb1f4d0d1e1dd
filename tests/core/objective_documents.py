"""Objectives as documents: a full one, and what may and what may not stand in its places."""

from __future__ import annotations

import copy
from typing import Any

ABSENT = object()
FULL: dict[str, Any] = {
    "apiVersion": "tidemill.dev/v1alpha1",
    "kind": "Objective",
    "metadata": {
        "name": "coupon-redemption",
        "namespace": "shop",
        "labels": {"app.kubernetes.io/part-of": "shop", "team": "Growth_1"},
        "annotations": {"Example.com/Owner": "Ann <ann@example.com>"},
    },
    "spec": {
        "propensity": {
            "event": "coupon_redeemed",
            "where": {"item.brand": "own", "property.channel": ""},
            "within": "28d",
        },
        "population": {"active_within": "90d"},
        "training": {
            "cutoffs": 12,
            "every": "4w",
            "seed": 7,
            "minimum_positives": 100,
            "schedule": "0 3 * * 1",
        },
        "serving": {"replicas": {"min": 1, "max": 10}, "index": "exact", "shadow": "7d"},
        "monitoring": {
            "schedule": "0 * * * *",
            "retrain": {"cooldown": "24h", "margin": 0.002, "guard": ["property.plan"]},
        },
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The full objective with the value at `path` (keys between '/') replaced or removed."""
    document = copy.deepcopy(FULL)
    *parents, last = path.split("/")
    place: Any = document
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    if value is ABSENT:
        del place[last]
    return document


CHURN = {"event": "visit", "where": {}, "within": "30d"}
DURATION = "spec/propensity/within"
SCHEDULE = "spec/training/schedule"
WHERE = "spec/propensity/where"
REPLICAS = "spec/serving/replicas"
INDEX = "spec/serving/index"
NAME = "metadata/name"
LABELS = "metadata/labels"
NOTES = "metadata/annotations"
NOTIFY = "spec/monitoring/notify"
HOOK = {"secret": {"name": "web.hooks-1", "key": "Slack_url.1"}}
CHOICE = {
    "event": "order",
    "where": {"property.channel": "web"},
    "within": "28d",
    "interest": [{"event": "view", "where": {"item.brand": "own"}, "weight": 0.2}],
    "items": {
        "by": "item.category",
        "where": {"item.sold": "yes"},
        "minimum_users": 10,
        "available": {"start": "item.from", "end": "item.until"},
    },
    "exclude": [{"event": "order", "within": "7d"}, {"event": "returned"}],
    "at_most": {"item.brand": 3},
    "context": "property.country",
    "exposures": {
        "event": "shown",
        "position": "property.position",
        "clicked": "view",
        "within": "1h",
    },
    "randomise": 0.05,
    "repeats": False,
    "count": 10,
}
OFFER = {**CHOICE, "value": "item.margin"}
EXPERIMENT = "spec/experiment"
SHARES = f"{EXPERIMENT}/arms"
ARMS = [
    {"name": "live", "share": "33.34%", "serve": "champion"},
    {"name": "next", "share": "33.33%", "serve": "challenger"},
    {"name": "A.b_c-1", "share": "33.33%", "serve": "rule"},
]
METRICS = [
    {"name": "buys", "event": "order", "within": "28d"},
    {"name": "visits", "kind": "count", "where": {"property.channel": "web"}, "winsorise": 0.99},
    {"name": "revenue", "event": "order", "kind": "sum", "value": "property.total"},
    {"name": "basket", "event": "item", "kind": "ratio", "per": "order"},
    {"name": "returned", "event": "return", "kind": "ratio", "value": "value", "per": "order"}
    | {"better": "lower"},
]
TRIAL = {
    "arms": ARMS,
    "layer": {"name": "pages", "start": "50%", "share": "50%"},
    "metrics": METRICS,
    "guardrails": [{"metric": "returned", "margin": "2%"}, {"metric": "visits", "margin": "0.5%"}],
    "smallest_effect": "1.5%",
    "alpha": 0.1,
    "several": "benjamini-hochberg",
    "promote": True,
}


def chosen(**changes: Any) -> dict[str, Any]:
    """The spec of a recommendation with other values."""
    return {"recommendation": {**CHOICE, **changes}}


def tried(**changes: Any) -> dict[str, Any]:
    """An experiment with other values."""
    return {**TRIAL, **changes}


def allocated(**changes: Any) -> dict[str, Any]:
    """A bandit."""
    guardrails = [{"metric": "visits", "margin": "2%"}]
    return tried(**{"metrics": METRICS[:3], "guardrails": guardrails, "bandit": True, **changes})


def measured(**changes: Any) -> dict[str, Any]:
    """An experiment whose second metric has other values."""
    second = {"name": "second", "event": "order", **changes}
    return {"holdout": "5%", "metrics": [METRICS[0], second]}


def shared(*shares: Any) -> list[dict[str, Any]]:
    """Arms with these shares."""
    return [{**arm, "share": share} for arm, share in zip(ARMS, shares, strict=False)]


def watched(**changes: Any) -> dict[str, Any]:
    """The spec of an alert with other values."""
    return {"alert": {"event": "order", **changes}}


FACTOR = {"name": "visits", "event": "visit", "within": "28d"}


def divided(*factors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The spec of a segmentation by these factors."""
    return {"segmentation": {"factors": [*factors], **changes}}


GOOD: list[tuple[str, Any]] = [
    ("spec", divided(FACTOR)),
    ("spec", divided({"name": "anything"}, {"name": "spend", "measure": "value"})),
    ("spec", divided({**FACTOR, "measure": "value"}, segments={"min": 3, "max": 3})),
    ("spec", divided({"name": "tea", "measure": "weeks", "where": {"item.kind": "tea"}})),
    ("spec", divided({"name": "visit", "measure": "recency", "within": None})),
    ("spec", watched()),
    ("spec", watched(metric="users", every="1h", by=["item.brand", "property.shop"])),
    ("spec", watched(metric="property.total", direction="down", where={"item.brand": "own"})),
    ("spec", watched(metric="value", by=[], direction=None)),
    ("spec", {"recommendation": CHOICE}),
    ("spec", {"next_best_offer": OFFER}),
    ("spec", {"next_best_offer": {"event": "order", "within": "28d"}}),
    ("spec", chosen(interest=[], exclude=[], at_most={}, items={}, exposures=None)),
    ("spec", chosen(randomise=0, count=1000.0, at_most={"item.brand": 1.0})),
    ("spec", chosen(items={"by": "property.offer", "available": {"end": "item.until"}})),
    ("spec", FULL["spec"]),
    ("spec", {"churn": {"within": "30d"}}),
    ("spec", {"churn": CHURN, "propensity": None}),
    ("spec/churn", None),
    ("spec/population", None),
    ("spec/population", {}),
    ("spec/population/active_within", None),
    ("spec/training", ABSENT),
    ("spec/training/every", None),
    ("spec/training/cutoffs", 1000),
    ("spec/training/cutoffs", 8.0),
    ("spec/training/seed", 2**32 - 1),
    ("spec/propensity/event", "e" * 512),
    ("spec/propensity/event", "gekauft \U0001f6d2"),
    (WHERE, ABSENT),
    (WHERE, {}),
    (WHERE, {"item." + "k" * 507: "v" * 1024}),
    (WHERE, {f"item.{n}": "x" for n in range(64)}),
    (WHERE, {"property.a\nb": "x"}),
    *((DURATION, text) for text in ("1h", "99999h"[1:], "3660d", "87840h", "522w")),
    (REPLICAS, {"min": 0}),
    (REPLICAS, {"min": 5, "max": 5}),
    (REPLICAS, {"min": 5.0, "max": 9}),
    (INDEX, "approximate"),
    (INDEX, None),
    *(("spec/monitoring/retrain/margin", value) for value in (0, 0.5, None)),
    *(("spec/monitoring/retrain/guard", value) for value in ([], None, ["property.a b"])),
    *(("spec/serving/shadow", value) for value in ("12h", "7d", None)),
    *(
        (SCHEDULE, text)
        for text in (
            "*/15 * * * *",
            "0 9-17/2 * * mon-fri",
            "0 0 1,15,31 JAN-mar *",
            "00 05 1-31 2-dec 6",
            "  59   23 * * Sun-6 ",
            "5/10,59 0-0 * 1,feb,3-4 tue-tue",
        )
    ),
    (NOTIFY, []),
    (NOTIFY, [{"url_from": {"env": "PAGER_URL"}}, {"format": "slack", "url_from": HOOK}]),
    (NOTIFY, [{"format": None, "url_from": {"env": "_x1", "secret": None}} for _ in range(8)]),
    *((EXPERIMENT, {"holdout": text}) for text in ("5%", "0.5%", "99.9999%", "005.00%")),
    (EXPERIMENT, TRIAL),
    (EXPERIMENT, None),
    (EXPERIMENT, tried(layer=None, metrics=None, guardrails=None)),
    (EXPERIMENT, tried(layer={"name": "pages", "share": "100%"})),
    *(
        (EXPERIMENT, tried(arms=shared(*each)))
        for each in (("50%", "50%"), ("0.0001%", "99.9999%"))
    ),
    (EXPERIMENT, measured(kind="ratio", per="order", within="7d", better="lower")),
    ("spec", {"recommendation": CHOICE, "experiment": allocated(promote=False)}),
    ("spec", {"churn": CHURN, "experiment": {"holdout": "10%", "arms": []}}),
    (NAME, "a"),
    (NAME, "a" * 63),
    ("metadata/namespace", None),
    (LABELS, {}),
    (LABELS, {"a.b-c.example.com/x_Y.z": "", "k" * 63: "v" * 63, "none": None}),
    (NOTES, {"example.com/note": "any\ntext " * 1000, "tidemill.dev/train": None}),
]
BAD: list[tuple[str, Any]] = [
    ("spec", divided()),
    ("spec", divided(FACTOR, FACTOR)),
    ("spec", divided(*({"name": str(n)} for n in range(13)))),
    *(
        ("spec", divided({**FACTOR, **wrong}))
        for wrong in (
            {"name": ""},
            {"name": None},
            {"event": ""},
            {"within": "30d"},
            {"measure": "sum"},
            {"measure": "recency"},
            {"measure": "weeks", "within": "112d"},
            {"measure": "value", "within": "14d"},
            {"where": {"kind": "tea"}},
        )
    ),
    *(
        ("spec", divided(FACTOR, segments=wrong))
        for wrong in ({"min": 1}, {"max": 21}, {"min": 5, "max": 4}, {"min": 9})
    ),
    *(
        ("spec", watched(**wrong))
        for wrong in (
            {"event": ""},
            {"metric": "sum"},
            {"metric": "property."},
            {"metric": "item.price"},
            {"every": "2h"},
            {"every": "1w"},
            {"by": ["brand"]},
            {"by": ["item."]},
            {"by": ["item.brand"] * 4},
            {"by": "item.brand"},
            {"direction": "sideways"},
            {"within": "28d"},
        )
    ),
    ("spec/alert", {"event": "order"}),
    *(
        ("spec", chosen(**wrong))
        for wrong in (
            {"count": 0},
            {"count": 1001},
            {"count": 2.5},
            {"value": "event"},
            {"repeats": "no"},
            {"randomise": 0.6},
            {"randomise": -0.1},
            {"at_most": {"brand": 3}},
            {"at_most": {"item.": 3}},
            {"at_most": {"item.brand": 0}},
            {"at_most": {f"item.{n}": 1 for n in range(5)}},
            {"context": "country"},
            {"interest": [{"event": "view", "weight": 0}]},
            {"interest": [{"event": "view"}] * 17},
            {"interest": {"event": "view"}},
            {"exclude": [{"within": "7d"}]},
            {"items": {"by": "category"}},
            {"items": {"minimum_users": -1}},
            {"items": {"where": {"property.channel": "web"}}},
            {"items": {"available": {"from": "item.start"}}},
            {"exposures": {"event": "shown", "clicked": "view"}},
        )
    ),
    ("spec", {"next_best_offer": {**OFFER, "value": "margin"}}),
    ("apiVersion", "tidemill.dev/v1"),
    ("apiVersion", None),
    ("kind", "Objectives"),
    ("kind", ABSENT),
    ("metadata", ABSENT),
    ("metadata", None),
    ("metadata", []),
    (NAME, ABSENT),
    (NAME, None),
    *((NAME, text) for text in ("", "Buys", "-buys", "buys-", "buys_now", "a.b", "b" * 64, "a\n")),
    ("metadata/generateName", "buys-"),
    ("metadata/nmae", "buys"),
    ("metadata/namespace", "My Shop"),
    ("metadata/namespace", "a" * 64),
    (LABELS, []),
    (LABELS, {"team": 5}),
    (LABELS, {"team": "a b"}),
    (LABELS, {"team": "v" * 64}),
    (LABELS, {"-team": "a"}),
    (LABELS, {"k" * 64: "a"}),
    (LABELS, {"/team": "a"}),
    (LABELS, {"a/b/team": "a"}),
    (LABELS, {"Example.com/team": "a"}),
    (LABELS, {"a" * 254 + "/team": "a"}),
    (NOTES, {"a b": "x"}),
    (NOTES, {"note": 1}),
    (NOTES, {"note": "x" * 300_000}),
    ("spec", ABSENT),
    ("spec", None),
    ("spec", {}),
    ("spec", "propensity"),
    ("spec/churn", CHURN),
    ("spec", {"churn": {}}),
    ("spec", {"churn": {**CHURN, "event": ""}}),
    ("spec", {"churn": {**CHURN, "where": {"brand": "own"}}}),
    ("spec", {"churn": {**CHURN, "where": {"item.brand": None}}}),
    ("spec/propensity", None),
    ("spec/propensity", ABSENT),
    ("spec/populations", {}),
    ("spec/populations", None),
    ("spec/population", []),
    ("spec/population", "90d"),
    ("spec/population/active_within", "90"),
    ("spec/propensity/event", ABSENT),
    ("spec/propensity/event", None),
    ("spec/propensity/event", ""),
    ("spec/propensity/event", "e" * 513),
    ("spec/propensity/event", 5),
    ("spec/propensity/within", ABSENT),
    *((DURATION, text) for text in ("28", "d", "0d", "-1d", "1.5d", "28 days", "28d\n", "28D")),
    *((DURATION, text) for text in ("3661d", "523w", "87841h", "99999w", "", "x" * 65, 28, True)),
    (WHERE, []),
    (WHERE, {"brand": "own"}),
    (WHERE, {"items.brand": "own"}),
    (WHERE, {"item.": "own"}),
    (WHERE, {"property.": "own"}),
    (WHERE, {"item.brand": None}),
    (WHERE, {"item.size": 5}),
    (WHERE, {"item.size": {}}),
    (WHERE, {"item." + "k" * 508: "v"}),
    (WHERE, {"item.k": "v" * 1025}),
    (WHERE, {f"item.{n}": "x" for n in range(65)}),
    ("spec/training/every", "11y"),
    ("spec/training/cutoffs", 0),
    ("spec/training/cutoffs", 1001),
    ("spec/training/cutoffs", 8.5),
    ("spec/training/cutoffs", "8"),
    ("spec/training/cutoffs", True),
    ("spec/training/seed", -1),
    ("spec/training/seed", 2**32),
    ("spec/training/minimum_positives", 0),
    ("spec/training/minimum_positives", 10**12),
    (REPLICAS, {"min": -1}),
    (REPLICAS, {"min": 0, "max": 0}),
    (REPLICAS, {"min": 3, "max": 2}),
    (REPLICAS, {"min": 11}),
    (REPLICAS, {"max": 10_001}),
    *((INDEX, wrong) for wrong in ("", "fast", "Exact", True, ["exact"])),
    *(
        (SCHEDULE, text)
        for text in (
            *("", "daily", "@daily", "0 3 * *", "0 3 * * 1 *", "0\t3\t*\t*\t1", "0 3 * * 1\n"),
            *("60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 32 * *", "0 0 * 13 *", "0 0 * * 8"),
            *("0 5-3 * * *", "0 0 * mar-jan *", "0 0 * 2-jan *", "0 0 * * sat-sun", "9-8 * * * *"),
            *("0 0 * foo *", "0 0 * mon *", "0 0 * * jan", "jan * * * *", "*/0 * * * *"),
            *("*/100 * * * *", "59-58 * * * *", "00-0 1-0 * * *", "0 0 * * 7-sun"),
            *("1, * * * *", ",1 * * * *", "1- * * * *", "-1 * * * *", "1.5 * * * *", "* *-3 * * *"),
            *("0 0 * * \u017fun", "0 0 * * fr\u0131", "\u0665 * * * *", "*" * 513, 5),
        )
    ),
    ("spec/monitoring/schedule", "hourly"),
    (NOTIFY, {"url_from": {"env": "PAGER_URL"}}),
    (NOTIFY, [{"url_from": {"env": "PAGER_URL"}} for _ in range(9)]),
    (NOTIFY, [{"format": "json"}]),
    (NOTIFY, [{"url_from": "PAGER_URL"}]),
    (NOTIFY, [{"format": "teams", "url_from": {"env": "PAGER_URL"}}]),
    (NOTIFY, [{"url": "https://example.com", "url_from": {"env": "PAGER_URL"}}]),
    (NOTIFY, [{"url_from": {}}]),
    (NOTIFY, [{"url_from": {"env": "PAGER_URL", **HOOK}}]),
    *((NOTIFY, [{"url_from": {"env": bad}}]) for bad in ("", "1A", "A-B", "https://a/b", "A\n")),
    *((NOTIFY, [{"url_from": {"secret": {"name": bad, "key": "k"}}}]) for bad in ("A", "a.", "")),
    *((NOTIFY, [{"url_from": {"secret": {"name": "a", "key": bad}}}]) for bad in ("a/b", "")),
    (NOTIFY, [{"url_from": {"secret": {"name": "a"}}}]),
    ("spec/monitoring/retrain/cooldown", "1y"),
    ("spec/monitoring/retrain/xyz", 1),
    *(("spec/monitoring/retrain/margin", value) for value in (-0.001, 0.6, "0.1")),
    *(("spec/monitoring/retrain/guard", value) for value in (["plan"], ["item.brand"], [1])),
    *(("spec/monitoring/retrain/guard", value) for value in (["property."], "property.plan")),
    ("spec/monitoring/retrain/guard", ["property.a"] * 9),
    *(("spec/serving/shadow", value) for value in ("7 days", "0d", 7, "")),
    *(
        (EXPERIMENT, {"holdout": text})
        for text in ("0%", "100%", "5", "5 %", "101%", "-5%", "1e1%", "5.00001%", "", 5, ".5%")
    ),
    *((EXPERIMENT, wrong) for wrong in ({}, [], {"hold": "5%"}, {"arms": ARMS, "holdout": "5%"})),
    *(
        (SHARES, wrong)
        for wrong in (
            *(shared("100%"), shared("50%", "49.9999%"), shared("50%", "50.0001%")),
            *(shared("50%", "50%", "0%"), shared("50%", None), ARMS * 3, {}),
            *([{**ARMS[0], "serve": "best"}, ARMS[1]], [{**arm, "name": "x"} for arm in ARMS]),
            *([{**ARMS[0], "name": bad}, *ARMS[1:]] for bad in ("", "a b", "-a", "a" * 64, "\n")),
        )
    ),
    *(
        (EXPERIMENT, tried(**wrong))
        for wrong in (
            {"layer": {"name": "pages"}},
            {"layer": {"name": "pages", "start": "60%", "share": "40.0001%"}},
            {"layer": {"name": "pages", "share": "0%"}},
            {"metrics": [METRICS[0], METRICS[0]], "guardrails": []},
            {"metrics": METRICS * 4, "guardrails": []},
            {"metrics": METRICS[:1]},
            {"metrics": None},
            {"guardrails": [{"metric": "buys", "margin": "2%"}]},
            {"guardrails": [{"metric": "visits"}]},
            {"guardrails": [{"metric": "visits", "margin": "0%"}]},
            {"smallest_effect": "0%"},
            {"alpha": 0},
            {"alpha": 0.3},
            {"several": "bonferroni"},
            {"bandit": True},
            {"arms": ARMS[::-1]},
            {"arms": shared("50%", "50%")[:1]},
            {"arms": [{**arm, "serve": "champion"} for arm in ARMS]},
            {"arms": [ARMS[0], *({**arm, "serve": "challenger"} for arm in ARMS[1:])]},
        )
    ),
    *(
        (EXPERIMENT, measured(**wrong))
        for wrong in (
            *({"kind": "mean"}, {"kind": "sum"}, {"value": "value"}, {"kind": "ratio"}),
            *({"kind": "count", "per": "order"}, {"kind": "sum", "value": "item.price"}),
            *({"winsorise": 0.99}, {"kind": "count", "winsorise": 1}, {"better": "less"}),
            *({"event": ""}, {"within": "0d"}, {"where": {"brand": "own"}}, {"name": "buys"}),
        )
    ),
    (EXPERIMENT, {"holdout": "5%", "promote": True}),
    ("spec", {"recommendation": CHOICE, "experiment": {"holdout": "5%", "bandit": True}}),
    ("spec", {"recommendation": CHOICE, "experiment": allocated()}),
    ("spec", {"recommendation": CHOICE, "experiment": allocated(promote=False, metrics=METRICS)}),
    ("spec", {**watched(), "experiment": {"holdout": "5%"}}),
]  # fmt: skip
