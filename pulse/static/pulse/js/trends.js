// Small lines in the rows of the guests: the CPU of the last hour. One question for all of them, at most once a minute, and only what is
// in sight is drawn.

import { make, request } from "./page.js";
import { linesOf } from "./trend-lines.js";

const AGAIN_SECONDS = 60;
const POINTS = 30;
const [WIDTH, HEIGHT] = [84, 20];
const [SMALL_WIDTH, SMALL_HEIGHT] = [60, 16];
const FILL_ALPHA = 0.15;

let lines = new Map();
let readAt = -Infinity;
let isReading = false;
/** As the style sheet has it now; asking for each canvas would make each of them a layout. */
let colour = "";
/** The cells of the rows that are drawn; a row that is gone takes its cell with it. */
const cells = new Set();

/** Reads what has become old, while somebody looks. */
async function renew() {
  const isOld = performance.now() - readAt >= AGAIN_SECONDS * 1000;
  if (!isOld || isReading || document.hidden || ![...cells].some(({ canvas }) => canvas.offsetParent !== null)) return;
  isReading = true;
  readAt = performance.now();
  try {
    lines = linesOf(await request("GET", `/api/charts?range=1h&format=columns&metric=cpu&points=${POINTS}`), "cpu");
    redraw();
  } catch {
    // What is drawn stays; a minute later is early enough.
  } finally {
    isReading = false;
  }
}

function redraw() {
  colour = "";
  for (const cell of cells) {
    if (cell.canvas.isConnected) cell.draw();
    else cells.delete(cell);
  }
}

/** Returns what makes the cell: a canvas that is drawn when its row is another one, or when there is something new. */
export function trendCell(isSmall = false) {
  const [width, height] = isSmall ? [SMALL_WIDTH, SMALL_HEIGHT] : [WIDTH, HEIGHT];
  return () => {
    const canvas = make("canvas", { class: "trend", role: "img", "data-size": isSmall ? "small" : undefined });
    let id = "";
    const cell = { canvas, draw: () => draw(canvas, lines.get(id), width, height) };
    const write = (guest) => {
      if (guest.id === id) return;
      id = guest.id;
      cells.add(cell);
      cell.draw();
    };
    return { content: [canvas], write };
  };
}

function draw(canvas, line, width, height) {
  const ratio = devicePixelRatio;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0]) [canvas.width, canvas.height] = size;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, ...size);
  canvas.setAttribute("aria-label", line ? line.text : "CPU of the last hour: not known");
  if (!line) return;
  colour ||= getComputedStyle(canvas).color;
  const x = (index) => (index + 0.5) * (size[0] / line.count);
  const y = (value) => size[1] - ratio - (value / line.top) * (size[1] - 2 * ratio);
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.25 * ratio;
  for (const [first, last] of line.runs) {
    context.beginPath();
    for (let index = first; index <= last; index += 1) context.lineTo(x(index), y(line.values[index]));
    // A single point is a dash.
    if (first === last) context.lineTo(x(first) + 2 * ratio, y(line.values[first]));
    context.stroke();
    context.lineTo(x(last), size[1]);
    context.lineTo(x(first), size[1]);
    context.globalAlpha = FILL_ALPHA;
    context.fill();
    context.globalAlpha = 1;
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
setInterval(renew, 1000);
