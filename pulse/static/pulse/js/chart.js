// One chart: uPlot, and what is drawn under and over its lines: what Proxmox's own records tell, the span between low and high, events.
// Colours come from the style sheet, by way of an element that wears them.

import uPlot from "../vendor/uplot.mjs";
import { marksOf } from "./history-events.js";
import { boundsOf, lonely, runsOf, stepTexts, tickTexts } from "./history-series.js";

const [HEIGHT, Y_AXIS, X_AXIS] = [132, 62, 24];
/** Room above for a line at the top and, at its right end, for half a word of the time axis. */
const PADDING = [6, 14, 0, 0];
/** Each line has a dash of its own, so that it is told from others without its colour. */
const DASHES = [undefined, [6, 3], [2, 2], [8, 3, 2, 3]];
const TOTAL_DASH = [3, 3];
const MARK_SIZE = 8;
/** With more marks than this their lines would stand before those of the figures. */
const MOST_MARK_LINES = 16;
const [BAND_ALPHA, MARK_ALPHA] = [0.22, 0.35];
/** A shorter drag is a click. */
const SHORTEST_DRAG = 8;
const COLOURS = ["series-1", "series-2", "series-3", "series-4", "total", "text", "grid", "told", "blind", "mark", "warn", "bad"];

/** Returns the colours of a chart as the style sheet has them now. */
function coloursOf(root) {
  const probe = document.createElement("i");
  probe.hidden = true;
  root.append(probe);
  const colours = {};
  for (const name of COLOURS) {
    probe.dataset.colour = name;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

export class Chart {
  #plot;
  #root;
  #told;
  #colours;
  #font;
  #isWriting = false;

  /**
   * `told` is what to draw: `{times, lines, total, unit, scale, span, told, blind, events}`. `tell` has `zoom(start, end)`, `back()` and
   * `point(at or null)`, instants in epoch seconds.
   */
  constructor(root, told, tell) {
    this.#root = root;
    this.#told = told;
    this.#colours = coloursOf(root);
    this.#font = `11px ${getComputedStyle(root).fontFamily}`;
    this.#plot = new uPlot(this.#options(tell), this.#columns(), root);
    this.#listenToTouch(tell);
  }

  /** Draws other figures; the lines must be as many as before. */
  update(told) {
    this.#told = told;
    this.#isWriting = true;
    this.#plot.setData(this.#columns());
    this.#isWriting = false;
  }

  /** Draws the same with other colours, or at another width. */
  refresh() {
    this.#colours = coloursOf(this.#root);
    const width = this.#root.clientWidth;
    if (width && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
    else this.#plot.redraw(false);
  }

  /** Points at an instant, or at none. */
  point(at) {
    const left = at === null ? -10 : this.#plot.valToPos(at, "x");
    this.#plot.setCursor({ left, top: at === null ? -10 : 0 }, false);
  }

  destroy() {
    this.#plot.destroy();
  }

  #columns() {
    const { times, lines, total } = this.#told;
    return [times, ...lines.map(({ series }) => series.mean), ...(total ? [total.mean] : [])];
  }

  #options(tell) {
    const { lines, total } = this.#told;
    return {
      width: this.#root.clientWidth || 300,
      height: HEIGHT,
      padding: PADDING,
      legend: { show: false },
      scales: { x: { range: () => [this.#told.span.start, this.#told.span.end] }, y: { range: () => [0, this.#told.scale.top] } },
      axes: this.#axes(),
      series: [{}, ...lines.map((_, index) => this.#line(index)), ...(total ? [this.#totalLine()] : [])],
      cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false, setScale: false, dist: SHORTEST_DRAG }, bind: { dblclick: () => () => (tell.back(), null) } },
      hooks: {
        drawClear: [() => this.#drawGrounds()],
        drawAxes: [() => this.#drawBands()],
        draw: [() => this.#drawMarks()],
        setCursor: [(plot) => this.#tellCursor(plot, tell)],
        setSelect: [(plot) => this.#tellZoom(plot, tell)],
      },
    };
  }

  #axes() {
    const looks = { stroke: () => this.#colours.text, font: this.#font, grid: { stroke: () => this.#colours.grid, width: 1 }, ticks: { show: false } };
    return [
      { ...looks, size: X_AXIS, gap: 6, space: 64, values: (_, ticks, __, ___, apart) => tickTexts(ticks, apart) },
      { ...looks, size: Y_AXIS, gap: 6, splits: () => this.#told.scale.steps, values: (_, steps) => stepTexts(steps, this.#told.unit) },
    ];
  }

  #line(index) {
    const colour = () => this.#colours[`series-${index + 1}`];
    const filter = (plot, number) => lonely(plot.data[number]);
    return { stroke: colour, width: 1.5, dash: DASHES[index], points: { show: true, filter, size: 4, fill: colour, width: 0 } };
  }

  #totalLine() {
    return { stroke: () => this.#colours.total, width: 1, dash: TOTAL_DASH, points: { show: false } };
  }

  /** What Proxmox's own records tell stands on another ground, with a line where our samples begin; so does a time in which nothing was seen. */
  #drawGrounds() {
    const { ctx, bbox } = this.#plot;
    ctx.save();
    for (const span of this.#told.blind) this.#drawGround(span, "blind");
    for (const [from, to] of this.#told.told) {
      const right = this.#drawGround([from, to], "told");
      if (to >= this.#told.span.end) continue;
      ctx.strokeStyle = this.#colours.text;
      ctx.lineWidth = uPlot.pxRatio;
      ctx.setLineDash([2, 4].map((length) => length * uPlot.pxRatio));
      ctx.beginPath();
      ctx.moveTo(right, bbox.top);
      ctx.lineTo(right, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  #drawGround(span, colour) {
    const { ctx, bbox } = this.#plot;
    const [left, right] = span.map((at) => this.#plot.valToPos(at, "x", true));
    ctx.fillStyle = this.#colours[colour];
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    return right;
  }

  /** The span between the lowest and the highest value of each point. */
  #drawBands() {
    const { ctx } = this.#plot;
    ctx.save();
    ctx.globalAlpha = BAND_ALPHA;
    this.#told.lines.forEach(({ series }, index) => {
      if (!series.low && !series.high) return;
      ctx.fillStyle = this.#colours[`series-${index + 1}`];
      for (const [first, last] of runsOf(series.mean)) if (last > first) ctx.fill(this.#band(series, first, last));
    });
    ctx.restore();
  }

  #band(series, first, last) {
    const path = new Path2D();
    const { times } = this.#told;
    const corner = (index, side) => [this.#plot.valToPos(times[index], "x", true), this.#plot.valToPos(boundsOf(series, index)[side], "y", true)];
    path.moveTo(...corner(first, 1));
    for (let index = first + 1; index <= last; index += 1) path.lineTo(...corner(index, 1));
    for (let index = last; index >= first; index -= 1) path.lineTo(...corner(index, 0));
    path.closePath();
    return path;
  }

  #drawMarks() {
    const { ctx, bbox } = this.#plot;
    const ratio = uPlot.pxRatio;
    const place = ({ start }) => (this.#plot.valToPos(start / 1000, "x", true) - bbox.left) / ratio;
    const marks = marksOf(this.#told.events, place, bbox.width / ratio, MARK_SIZE + 1);
    for (const { at, shape, tone, count } of marks) {
      const left = bbox.left + at * ratio;
      ctx.save();
      ctx.setLineDash([]);
      ctx.strokeStyle = ctx.fillStyle = this.#colours[tone || "mark"];
      ctx.globalAlpha = MARK_ALPHA;
      ctx.lineWidth = ratio;
      ctx.beginPath();
      ctx.moveTo(left, marks.length > MOST_MARK_LINES ? bbox.top + bbox.height - MARK_SIZE * ratio : bbox.top);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
      ctx.translate(left - (MARK_SIZE / 2) * ratio, bbox.top + bbox.height - MARK_SIZE * ratio);
      ctx.scale(ratio, ratio);
      ctx.fill(new Path2D(shape));
      // Several at one place: a bar over the shape.
      if (count > 1) ctx.fillRect(0, -2.5, MARK_SIZE, 1.5);
      ctx.restore();
    }
  }

  #tellCursor(plot, tell) {
    const { left } = plot.cursor;
    if (this.#isWriting) return; // the figures moved, not the pointer
    tell.point(left >= 0 ? plot.posToVal(left, "x") : null, this);
  }

  #tellZoom(plot, tell) {
    const { left, width } = plot.select;
    if (width < SHORTEST_DRAG) return;
    const [start, end] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    tell.zoom(start, end);
  }

  /** A finger that moves along the chart points; up and down it scrolls the page. */
  #listenToTouch(tell) {
    const { over } = this.#plot;
    const point = (event) => {
      if (event.pointerType === "mouse") return;
      const at = this.#plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x");
      this.point(at);
      tell.point(at, this);
    };
    over.addEventListener("pointerdown", point);
    over.addEventListener("pointermove", point);
  }
}
