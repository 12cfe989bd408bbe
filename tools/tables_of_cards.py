"""Tables of the readable cards of weights, from the cards that machines read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from record_values import ROOT, number, percent, percents, read, table

from gencsp.proposers.evidence import KINDS


def _card(name: str, folder: str = "weights") -> Any:
    return read(ROOT / "gencsp" / folder / f"{name}.card.json")


def facts(name: str) -> str:
    """What the weights are, and how they were trained."""
    card = _card(name)
    model, data, training = card["model"], card["data"], card["training"]
    size = sum(file["bytes"] for file in card["files"].values()) / 1e6
    settings = ", ".join(f"{key} {value}" for key, value in model["settings"].items())
    rows = [
        ("digest", model["digest"]),
        ("network", f"`{model['network']}`: {settings}"),
        ("parameters", f"{model['parameters']:,} ({model['precision']} precision, {size:.1f} MB)"),
        (
            "data",
            f"{data['crystals']:,} crystals, {data['selection']}"
            + _databases(data)
            + (f". {data['beside']}" if "beside" in data else ""),
        ),
        ("licence", f"the data: {card['licence']['data']}; the weights: {card['licence']['this']}"),
        ("held out", _held_out(card["held_out"])),
        *((key, training[key]) for key in ("objective", "conditions", "times") if key in training),
        *((key, training[key]) for key in ("noise", "optimiser") if key in training),
        (
            "length",
            f"{training['steps']:,} steps ({training['epochs']} epochs), "
            f"{training['hours']:.2f} hours on {training['hardware']}",
        ),
        ("shipped", f"{training['shipped']}, seed {training['seed']}"),
    ]
    return table(("", ""), rows)


def _databases(data: Any) -> str:
    if "from_oqmd" not in data:
        return ""
    return (
        f": {data['from_materials_project']:,} from the Materials Project and "
        f"{data['from_oqmd']:,} from OQMD"
    )


def _held_out(said: Any) -> str:
    checked = said["checked"]
    if let_through := said.get("let_through"):
        return (
            f"{said['formulas']:,} reduced formulas, but for {' and '.join(let_through)}: "
            f"{said['why']}"
        )
    return (
        f"{said['formulas']:,} reduced formulas: {said['why']}. Checked again on {checked['date']} "
        f"with a list of {checked['formulas']:,} formulas (`tools/check_held_out.py`): "
        f"{checked['found']:,} of the {checked['crystals']:,} training crystals have one of them"
    )


def curve(name: str) -> str:
    """The course of the validation loss."""
    rows = [
        (f"{one['step']:,}", f"{one['rate']:.1e}", number(one["mean_loss"], ".4f"))
        for one in _card(name)["validation"]["curve"]
    ]
    return table(("step", "rate", "mean loss"), rows)


def changes(name: str) -> str:
    """Settings that were different earlier in the training."""
    rows = [(f"{one['up_to_step']:,}", one["what"]) for one in _card(name)["training"]["changes"]]
    return table(("up to step", "what was different"), rows)


def bands() -> str:
    """Losses of the score model by noise band at the end of the training."""
    rows = [
        (band, f"{number(one['loss'], '.3f')} ({number(one['zero'], '.3f')})")
        for band, one in _card("score")["validation"]["bands"].items()
    ]
    return table(("σ, Å", "loss"), rows)  # noqa: RUF001


def by_time() -> str:
    """Losses of the joint model by time at the end of the training."""
    losses = _card("pigen")["validation"]["by_time"]
    rows = [
        (
            name,
            *(
                " / ".join("-" if one is None else number(one, ".3f") for one in pair)
                for pair in parts.values()
            ),
        )
        for name, parts in losses.items()
    ]
    return table(("loss", *losses["lattice"]), rows)


def first_right() -> str:
    """How often the first of several structures is right, by what puts them in order."""
    rates = _card("ranking", "data")["facts"]["first_is_right"]
    orders = ("as made", "energy", "model", "agreement", "joint", "any")
    head = ("of 20 of", *(f"by {one}" if one in KINDS else one for one in orders))
    rows = [
        (
            f"`{proposer}`",
            *(
                f"{percent(rates[order][proposer], 0)} % ({percents(rates[order][proposer])})"
                for order in orders
            ),
            f"{number(said['said'], '.0f', 100)} %, {number(said['calibration_error'], '.2f')}",
        )
        for proposer, said in rates["joint"].items()
    ]
    return table((*head, "said by joint, calibration error"), rows)


def calibrated() -> str:
    """What the confidences of substitutions were, and are."""
    found = _card("confidence", "data")["facts"]["first_is_right"]
    rows = [
        (
            f"{size} ({one['compositions']})",
            order,
            f"{percent(one[order])} % ({percents(one[order])})",
            f"{number(one[order]['said'], '.1f', 100)} %",
            number(one[order]["calibration_error"], ".3f"),
        )
        for size, one in found.items()
        for order in ("share of the votes", "calibrated")
    ]
    return table(("cells", "confidence", "first is right", "said", "calibration error"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "card of score": partial(facts, "score"),
    "card of pigen": partial(facts, "pigen"),
    "card of dp-cdvae-perov-5": partial(facts, "dp-cdvae-perov-5"),
    "card of dp-cdvae-carbon-24": partial(facts, "dp-cdvae-carbon-24"),
    "validation of score": partial(curve, "score"),
    "validation of pigen": partial(curve, "pigen"),
    "bands of score": bands,
    "times of pigen": by_time,
    "training of pigen": partial(changes, "pigen"),
    "ranking": first_right,
    "confidence": calibrated,
}
