/* Where everything stands on the stage: boxes, the ring's track, wires. */
const sbpLayout = (function () {
  "use strict";

  const OUTPUTS = ["o<", "o", "o>", "t", "d+", "d-", "o-"];
  const GATE = 13;  // radius of a gate's circle
  const ROW = 30;  // room for the name of a row of outputs
  const WIDE = 600;  // pixels from which everything stands side by side

  /** Boxes {x, y, w, h, cell, columns} for every population but the gates, and the height.
   *  @param {number} width
   *  @param {Lab.Population[]} populations */
  function arrange(width, populations) {
    const size = new Map(populations.map((p) => [p.name, p.size]));
    const margin = width < WIDE ? 34 : 40, inner = width - 2 * margin;
    /** @type {Map<string, Lab.Box>} */
    const boxes = new Map();
    /** @param {string} name
     *  @param {number} x
     *  @param {number} y
     *  @param {number} side */
    const square = (name, x, y, side) => {
      const columns = Math.ceil(Math.sqrt(size.get(name) ?? 0));
      boxes.set(name, { x, y, w: side, h: side, columns, cell: side / columns });
    };
    /** @param {string[]} names
     *  @param {number} x
     *  @param {number} y
     *  @param {number} cell
     *  @param {number} pitch
     *  @param {number} space */
    const outputs = (names, x, y, cell, pitch, space) => {
      let top = y;
      for (const name of names) {
        if (name === "t" || name === "d+" || name === "o-") top += space;
        const columns = size.get(name) ?? 0;
        boxes.set(name, { x, y: top, w: columns * cell, h: cell, columns, cell, row: true });
        top += pitch;
      }
      return top - pitch + cell;
    };
    if (width >= WIDE) {
      const gap = 0.06 * width, small = 14, tag = 26;
      const side = Math.min((inner - 2 * gap - 2 * small - tag) / 5.5, 150);
      const used = 5.5 * side + 2 * gap + 2 * small + tag;
      const left = margin + (inner - used) / 2, hidden = left + side + gap;
      const top = margin + 24, low = top + side + 52;
      square("x", left, top, side);
      square("x_mem", left, low, side);
      ["h<", "h", "h>"].forEach((name, i) => square(name, hidden + i * (side + small), top, side));
      ["h_box", "h_mem", "hT"].forEach((name, i) =>
        square(name, hidden + i * (side + small), low, side));
      const bottom = low + side, cell = (1.5 * side) / 10, space = 0.12 * side;
      const pitch = (bottom - top - cell - 3 * space) / 6;
      outputs(OUTPUTS, hidden + 3 * side + 2 * small + gap + tag, top, cell, pitch, space);
      return { boxes, height: bottom + margin + 4 };
    }
    // Four in a row, and the outputs in two columns: all of it beside a pad on a phone's screen.
    const small = 10, tag = 28, side = (inner - 3 * small) / 4;
    /** @param {number} column */
    const at = (column) => margin + column * (side + small);
    const top = margin + 22, low = top + side + 32;
    ["x", "h<", "h", "h>"].forEach((name, i) => square(name, at(i), top, side));
    ["x_mem", "h_box", "h_mem", "hT"].forEach((name, i) => square(name, at(i), low, side));
    const between = 14, cell = (inner - 2 * tag - between) / 20, pitch = Math.max(cell + 11, 20);
    const first = low + side + 36;
    const left = outputs(OUTPUTS.slice(0, 3), margin + tag, first, cell, pitch, 0);
    const right = outputs(OUTPUTS.slice(3), margin + inner - 10 * cell, first, cell, pitch, 0);
    const bottom = Math.max(left, right);
    return { boxes, height: bottom + margin };
  }

  /** A closed track round the edges: at(f) is the point a fraction f of the way, clockwise.

      gates(n) are the fractions where n gates stand: four on one long side, or all around.
   *  @param {number} width
   *  @param {number} height
   *  @param {number} inset */
  function track(width, height, inset) {
    const r = 34;
    /** @type {Lab.Point[]} */
    const points = [];
    const [l, t, b, e] = [inset, inset, height - inset, width - inset];
    /** @param {number} cx
     *  @param {number} cy
     *  @param {number} from */
    const arc = (cx, cy, from) => {
      for (let a = 0; a <= 12; a++) {
        const angle = from + (a / 12) * (Math.PI / 2);
        points.push([cx + r * Math.cos(angle), cy + r * Math.sin(angle)]);
      }
    };
    arc(l + r, t + r, Math.PI);
    arc(e - r, t + r, -Math.PI / 2);
    arc(e - r, b - r, 0);
    arc(l + r, b - r, Math.PI / 2);
    points.push(points[0]);
    const far = [0];
    for (let i = 1; i < points.length; i++) {
      const [dx, dy] = [points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]];
      far.push(far[i - 1] + Math.hypot(dx, dy));
    }
    const length = far[far.length - 1];
    /** @param {number} f
     *  @returns {Lab.Point} */
    const at = (f) => {
      const goal = (((f % 1) + 1) % 1) * length;
      const i = Math.max(far.findIndex((d) => d >= goal), 1);
      const t = (goal - far[i - 1]) / (far[i] - far[i - 1] || 1);
      const [[ax, ay], [bx, by]] = [points[i - 1], points[i]];
      return [ax + t * (bx - ax), ay + t * (by - ay)];
    };
    /** @param {number} n */
    const gates = (n) => {
      const wide = width > height, few = n <= 4, long = few ? n : n / 3;
      const short = few ? 0 : n / 2 - long, back = few ? 0 : long;
      const counts = wide ? [long, short, back, short] : [short, long, short, back];
      const places = counts.flatMap((count, side) => {
        const [from, to] = [far[13 * side + 12], far[13 * side + 13]];  // the straight part
        return Array.from({ length: count }, (_, k) =>
          (from + ((to - from) * (k + 0.5)) / count) / length);
      });
      if (!few) places.unshift(...places.splice(-1));  // g1 comes first: it opens x
      return places;
    };
    return { at, gates };
  }

  /** @param {Lab.Point} from
   *  @param {Lab.Point} to
   *  @returns {Lab.Path} */
  const side = ([ax, ay], [bx, by]) =>
    [[ax, ay], [(ax + bx) / 2, ay], [(ax + bx) / 2, by], [bx, by]];

  /** A curve from box to box: four Bezier points.
   *  @param {Lab.Box} a
   *  @param {Lab.Box} b
   *  @returns {Lab.Path} */
  function wire(a, b) {
    const [ax, ay, bx, by] = [a.x + a.w / 2, a.y + a.h / 2, b.x + b.w / 2, b.y + b.h / 2];
    if (a.row && b.row) {  // rows of outputs: round the right-hand end
      const bend = 12 + 0.12 * Math.abs(by - ay), end = a.x + a.w + 2;
      return [[end, ay], [end + bend, ay], [end + bend, by], [end, by]];
    }
    const apart = bx > ax ? b.x - a.x - a.w : a.x - b.x - b.w;
    if (b.row && bx > ax && apart > 0) return side([a.x + a.w, ay], [b.x - ROW, by]);
    if (a.row && ax > bx && apart > 0) return side([a.x - ROW, ay], [b.x + b.w, by]);
    if (apart < 20 && Math.abs(by - ay) > Math.min(a.h, b.h)) {
      const down = by > ay, y0 = down ? a.y + a.h : a.y, y1 = down ? b.y : b.y + b.h;
      return [[ax, y0], [ax, (y0 + y1) / 2], [bx, (y0 + y1) / 2], [bx, y1]];
    }
    const x0 = bx > ax ? a.x + a.w : a.x, x1 = bx > ax ? b.x : b.x + b.w;
    const level = Math.abs(by - ay) < 4 && apart > 20 + a.w / 2 ? a.h / 2 + 12 : 0;
    return level
      ? [[ax, a.y + a.h], [ax, ay + level + 10], [bx, ay + level + 10], [bx, a.y + a.h]]
      : side([x0, ay], [x1, by]);
  }

  /** The point of a curve a fraction `t` of the way.
   *  @param {Lab.Path} path
   *  @param {number} t
   *  @returns {Lab.Point} */
  function along([a, b, c, d], t) {
    const s = 1 - t;
    /** @param {0 | 1} n */
    const at = (n) =>
      s * s * s * a[n] + 3 * s * s * t * b[n] + 3 * s * t * t * c[n] + t * t * t * d[n];
    return [at(0), at(1)];
  }

  return { GATE, along, arrange, track, wire };
})();

window.SBP = Object.assign(window.SBP || {}, sbpLayout);
