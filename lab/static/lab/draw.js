/* Drawing: strokes of a pen -> the 400 spikes of x; digits to start from; a drawing as text.

   A drawing is a list of strokes, a stroke a list of points [x, y] in whole hundredths of the pad,
   0 .. 99; the pen's line goes through them smoothly.  So a drawing fits into a link, and what the
   link brings back is the same drawing to the last spike.

   MNIST's own recipe, on the pen's line instead of on pixels: the drawing is scaled to fit a box of
   20 x 20 pixels, put with its centre of mass into the centre of 28 x 28, and 4 pixels are cropped
   on every side.  A pixel spikes iff its centre lies within PEN pixels of the line; scaling the
   line and not the ink gives every drawing, large or small, the same width of stroke. */
const sbpDraw = (function () {
  "use strict";

  const SIDE = 20, BOX = 20, PEN = 1.3;
  const SMALLEST = 0.2;  // of the pad: a dot is not blown up to fill the box

  /** Squared distance from (x, y) to the segment a-b.
   *  @param {number} x
   *  @param {number} y
   *  @param {Lab.Point} a
   *  @param {Lab.Point} b */
  function distance2(x, y, a, b) {
    const dx = b[0] - a[0], dy = b[1] - a[1], length2 = dx * dx + dy * dy;
    const t = length2 && Math.min(Math.max(((x - a[0]) * dx + (y - a[1]) * dy) / length2, 0), 1);
    return (x - a[0] - t * dx) ** 2 + (y - a[1] - t * dy) ** 2;
  }

  /** The pixels of a square of `side` that the pen's line touches, row by row, 0 or 1.
   *  @param {Lab.Point[][]} strokes
   *  @param {number} side */
  function rasterise(strokes, side) {
    const pixels = new Uint8Array(side * side);
    for (const points of strokes) {
      for (let i = 0; i < points.length; i++) {
        const a = points[i], b = points[Math.min(i + 1, points.length - 1)];
        /** @param {0 | 1} axis */
        const from = (axis) => Math.max(Math.floor(Math.min(a[axis], b[axis]) - PEN), 0);
        /** @param {0 | 1} axis */
        const to = (axis) => Math.min(Math.ceil(Math.max(a[axis], b[axis]) + PEN), side);
        for (let y = from(1); y < to(1); y++) {
          for (let x = from(0); x < to(0); x++) {
            if (distance2(x + 0.5, y + 0.5, a, b) < PEN * PEN) pixels[y * side + x] = 1;
          }
        }
      }
    }
    return pixels;
  }

  /** A drawing -> the lines of the pen, lists of [x, y] on a pad from 0 to 1.
   *  @param {Lab.Stroke[]} drawing */
  const lines = (drawing) =>
    drawing.map((stroke) => smooth(stroke.map(([x, y]) => [x / 100, y / 100])));

  /** A drawing -> 400 bytes 0/1, row by row.
   *  @param {Lab.Stroke[]} drawing */
  function pattern(drawing) {
    const strokes = lines(drawing), points = strokes.flat();
    if (!points.length) return new Uint8Array(SIDE * SIDE);
    const bounds = [0, 1].map((axis) => {
      const values = points.map((point) => point[axis]);
      return [Math.min(...values), Math.max(...values)];
    });
    const extent = Math.max(...bounds.map(([low, high]) => high - low), SMALLEST);
    const scale = (BOX - 2 * PEN) / extent;
    const middle = bounds.map(([low, high]) => (low + high) / 2);
    /** @param {number[]} centre
     *  @returns {Lab.Point[][]} */
    const place = (centre) => strokes.map((stroke) => stroke.map(([x, y]) =>
      [(x - middle[0]) * scale + centre[0], (y - middle[1]) * scale + centre[1]]));

    // Once in the middle of a square large enough, to find the centre of mass; then for good.
    const large = 2 * BOX, ink = rasterise(place([BOX, BOX]), large);
    let mass = 0, x = 0, y = 0;
    ink.forEach((on, i) => {
      mass += on;
      x += on * ((i % large) + 0.5);
      y += on * (Math.floor(i / large) + 0.5);
    });
    const centre = [x, y].map((sum) => (SIDE + 1) / 2 + BOX - sum / mass);
    return rasterise(place(centre), SIDE);
  }

  /** A smooth line through `points` (Catmull-Rom).
   *  @param {Lab.Point[]} points */
  function smooth(points, pieces = 8) {
    const line = [points[0]];
    /** @param {number} i */
    const at = (i) => points[Math.min(Math.max(i, 0), points.length - 1)];
    for (let i = 0; i + 1 < points.length; i++) {
      const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
      for (let k = 1; k <= pieces; k++) {
        const t = k / pieces;
        /** @param {0 | 1} n */
        const between = (n) => 0.5 * (2 * b[n] + (c[n] - a[n]) * t
          + (2 * a[n] - 5 * b[n] + 4 * c[n] - d[n]) * t * t
          + (3 * b[n] - a[n] - 3 * c[n] + d[n]) * t * t * t);
        line.push([between(0), between(1)]);
      }
    }
    return line;
  }

  // "x,y x,y | x,y ..." in hundredths of the pad; a bar lifts the pen.
  /** @type {Record<string, string>} */
  const DIGITS = {
    0: "54,15 36,22 29,45 33,72 48,86 64,78 72,55 68,28 54,15",
    1: "56,14 53,38 49,62 45,87",
    2: "33,30 42,17 58,16 66,28 60,46 45,64 30,83 36,84 52,82 71,83",
    3: "34,21 48,14 64,19 65,33 47,46 63,53 69,68 58,84 42,86 30,78",
    4: "37,16 34,36 31,50 46,53 70,51 | 65,18 63,45 60,88",
    5: "68,16 52,17 41,17 39,32 36,45 51,43 65,52 66,69 54,84 34,84",
    6: "61,13 45,28 35,50 36,73 48,86 63,79 66,63 54,54 41,62 36,72",
    7: "29,21 48,20 70,18 62,38 53,62 46,88",
    8: "64,24 50,14 37,23 42,39 58,54 66,71 54,86 37,78 39,62 55,46 66,32 64,24",
    9: "66,30 53,16 38,25 36,42 49,50 63,41 66,30 64,52 58,88",
  };

  // Digits that the trained network misreads, with the right answer and a name.
  /** @type {[number, string, string][]} */
  const AWKWARD = [
    [1, "1 with a flag", "36,34 48,24 56,14 56,40 55,86"],
    [0, "slashed 0",
      "54,15 36,22 29,45 33,72 48,86 64,78 72,55 68,28 54,15 | 70,16 50,50 32,86"],
    [9, "9 like a g", "64,26 50,20 40,30 42,44 54,46 64,34 66,26 68,56 60,82 44,84 36,74"],
    [4, "narrow 4", "44,14 38,40 40,52 58,50 | 58,14 58,40 56,88"],
  ];

  /** The drawing of such a line.
   *  @param {string} text
   *  @returns {Lab.Stroke[]} */
  const drawing = (text) => text.split("|").map((stroke) =>
    stroke.trim().split(" ").map((point) => {
      const [x, y] = point.split(",").map(Number);
      return [x, y];
    }));

  /** @param {number} n */
  const two = (n) => String(n).padStart(2, "0");
  const READY = Object.entries(DIGITS).map(([digit, text]) => [digit, long(drawing(text))]);
  const LONGEST = 8000;  // characters of a drawing in a link

  /** Four figures for each point, a hyphen between strokes.
   *  @param {Lab.Stroke[]} strokes */
  function long(strokes) {
    return strokes.map((points) => points.map(([x, y]) => two(x) + two(y)).join("")).join("-");
  }

  /** A drawing as a word for links: 0 to 9 if it is that ready-made digit, else its points.
   *  @param {Lab.Stroke[]} strokes */
  function encode(strokes) {
    const text = long(strokes), ready = READY.find(([, points]) => points === text);
    return ready ? ready[0] : text;
  }

  /** The drawing of such a word, or null if it is none.
   *  @param {string} word
   *  @returns {Lab.Stroke[] | null} */
  function decode(word) {
    if (/^[0-9]$/.test(word)) return drawing(DIGITS[word]);
    if (word.length > LONGEST || !/^(?:[0-9]{4})+(?:-(?:[0-9]{4})+)*$/.test(word)) return null;
    return word.split("-").map((stroke) => Array.from(stroke.matchAll(/(..)(..)/g),
      ([, x, y]) => [Number(x), Number(y)]));
  }

  return { pattern, lines, drawing, encode, decode, DIGITS, AWKWARD };
})();

window.SBP = Object.assign(window.SBP || {}, sbpDraw);
