"""The samples of a short span of one instance as time series, series after series; pure.

A series that was known and is not any more ends with a marker at the first instant at which it was missing, so that the engine shows
a gap there, and not the last value for another five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from monitoring.exporting.labels import Labels
from monitoring.exporting.naming import Series, series_of
from monitoring.exporting.remote.blocks import Block
from monitoring.exporting.remote.messages import Packer, labels, series_head, stale
from monitoring.history.metrics import METRICS, Kind, Metric

#: More is refused by some receivers, and costs memory here and there.
MOST_SAMPLES = 2000
MOST_BYTES = 1 << 20

#: The series of names: those of the figures have none, so that a new name or another node begins no new ones.
INFO = "pulse_guest_info"

Object = tuple[Kind, int]
Added = tuple[tuple[str, str], ...]


class Named:
    """An object with its labels, which are encoded for its series when they are first needed."""

    __slots__ = ("encoded", "labels")

    def __init__(self, labels: Labels) -> None:
        """Encode nothing yet."""
        self.labels = labels
        self.encoded: dict[Added, bytes] = {}

    def with_labels(self, added: Added) -> bytes:
        """Return the labels with those that one of its metrics adds."""
        found = self.encoded.get(added)
        if found is None:
            found = self.encoded[added] = labels({**self.labels, **dict(added)})
        return found


class Told(NamedTuple):
    """Which series of an object had a value at the last instant: a bit for each of its metrics, in their order.

    `info` are the labels of the series that tells what it is called, None for none.
    """

    named: Named
    bits: int
    info: Labels | None = None


#: What was known at the last instant that was sent, of one target and instance.
Known = dict[Object, Told]


class TimeSeries(NamedTuple):
    """An encoded time series, and how many samples it has."""

    body: bytes
    sample_count: int


def time_series(
    blocks: Iterable[tuple[Kind, Block]],
    names: Mapping[Object, Labels],
    known: Known,
    after: Known,
    *,
    start_epoch: int,
) -> Iterator[TimeSeries]:
    """Yield what is sent of a span that begins at `start_epoch`; `after` is filled with what is known at its end.

    An object has all its samples in one block. One that has no labels, because its row is gone, is left out.
    """
    firsts: dict[Kind, float] = {}
    for kind, found in blocks:
        block = labelled(kind, found, names)
        firsts[kind] = min(firsts.get(kind, block.epochs[0]), block.epochs[0])
        yield from of_kind(kind, block, names, known, after)
    first = min(firsts.values(), default=start_epoch)
    for key, told in known.items():
        now = after.get(key)
        if now is None or now.named is not told.named:
            yield from ended(key[0], told, firsts.get(key[0], first))


def info_series(
    infos: Mapping[Object, Labels], known: Known, after: Known, *, epochs: Sequence[int]
) -> Iterator[TimeSeries]:
    """Yield, after `time_series`, how that is called which is known at the end, as series of the value 1.

    Who is called otherwise now, or is gone, ends under the former name.
    """
    samples = next(Packer(epochs).rows([[1.0]] * len(epochs)))
    for key, told in after.items():
        info = infos.get(key) if told.bits else None
        if info is not None:
            after[key] = told._replace(info=info)
            body = labels({"__name__": INFO, **info}) + samples
            yield TimeSeries(series_head(len(body)) + body, len(epochs))
    for key, told in known.items():
        if told.info is not None and (key not in after or after[key].info != told.info):
            body = labels({"__name__": INFO, **told.info}) + stale(epochs[0])
            yield TimeSeries(series_head(len(body)) + body, 1)


def labelled(kind: Kind, block: Block, names: Mapping[Object, Labels]) -> Block:
    """Return the block without the objects that have no labels."""
    kept = [place for place, pk in enumerate(block.pks) if (kind, pk) in names]
    if len(kept) == len(block.pks):
        return block
    columns = {
        metric: [[row[place] for place in kept] for row in rows] for metric, rows in block.columns.items()
    }
    return Block(block.epochs, [block.pks[place] for place in kept], columns)


def of_kind(
    kind: Kind, block: Block, names: Mapping[Object, Labels], known: Known, after: Known
) -> Iterator[TimeSeries]:
    """Yield the series of the objects of one kind, metric after metric."""
    told = [told_before((kind, pk), names[kind, pk], known) for pk in block.pks]
    packer, bits = Packer(block.epochs), [0] * len(told)
    for place, metric in enumerate(METRICS[kind]):
        bit, rows = 1 << place, block.columns.get(metric)
        if rows is None:
            ending = [one for one in told if one.bits & bit]
            yield from of_metric(
                kind, metric, [[None] * len(ending)] * len(block.epochs), ending, bit, packer
            )
            continue
        for one, last in enumerate(rows[-1]):
            if last is not None:
                bits[one] |= bit
        yield from of_metric(kind, metric, rows, told, bit, packer)
    for pk, before, now in zip(block.pks, told, bits, strict=True):
        after[kind, pk] = Told(before.named, now)


def told_before(key: Object, named: Labels, known: Known) -> Told:
    """Return which series of an object were known, none under these labels if it had others."""
    before = known.get(key)
    return before if before is not None and before.named.labels == named else Told(Named(named), 0)


def of_metric(
    kind: Kind,
    metric: Metric,
    rows: Sequence[Sequence[float | None]],
    told: Sequence[Told],
    bit: int,
    packer: Packer,
) -> Iterator[TimeSeries]:
    """Yield the series of one metric: first of all objects that have it at each instant, then of those that miss it at some."""
    series = series_of(kind, metric)
    begin, added = name_of(series), tuple(series.labels.items())

    def encoded(one: Told, samples: bytes) -> bytes:
        body = begin + one.named.with_labels(added) + samples
        return series_head(len(body)) + body

    partial: list[tuple[Told, tuple[float | None, ...]]] = []
    if any(None in row for row in rows):
        whole: list[tuple[Told, tuple[float | None, ...]]] = []
        for one, figures in zip(told, zip(*rows, strict=True), strict=True):
            if None not in figures:
                whole.append((one, figures))
            elif one.bits & bit or figures.count(None) < len(figures):
                partial.append((one, figures))
        told, rows = [one for one, _ in whole], list(zip(*[row for _, row in whole], strict=True))
    if told:
        count, factor = len(rows), series.factor
        if factor != 1:
            rows = [[figure * factor for figure in row if figure is not None] for row in rows]
        for one, samples in zip(told, packer.rows(rows), strict=True):
            yield TimeSeries(encoded(one, samples), count)
    for one, figures in partial:
        samples, count = packer.with_gaps(figures, series.factor, was_known=bool(one.bits & bit))
        yield TimeSeries(encoded(one, samples), count)


def name_of(series: Series) -> bytes:
    """Return the label that sorts before all others: the name of the series."""
    return labels({"__name__": series.name})


def ended(kind: Kind, told: Told, epoch: float) -> Iterator[TimeSeries]:
    """Yield the end of each series of an object that is not there any more, or has other labels."""
    for place, metric in enumerate(METRICS[kind]):
        if told.bits >> place & 1:
            series = series_of(kind, metric)
            body = name_of(series) + told.named.with_labels(tuple(series.labels.items())) + stale(epoch)
            yield TimeSeries(series_head(len(body)) + body, 1)


def requests(series: Iterable[TimeSeries]) -> Iterator[TimeSeries]:
    """Yield the series put together into messages of a bounded size, each with its number of samples."""
    bodies: list[bytes] = []
    size = count = 0
    for one in series:
        if bodies and (count + one.sample_count > MOST_SAMPLES or size + len(one.body) > MOST_BYTES):
            yield TimeSeries(b"".join(bodies), count)
            bodies, size, count = [], 0, 0
        bodies.append(one.body)
        size, count = size + len(one.body), count + one.sample_count
    if bodies:
        yield TimeSeries(b"".join(bodies), count)
