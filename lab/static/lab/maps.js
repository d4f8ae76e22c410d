/* Every weight as a pixel, and the learning curve. */
const sbpMaps = (function () {
  "use strict";

  /** "#rrggbb" or "rgb(r, g, b)" -> [r, g, b].
   *  @param {string} colour */
  function rgb(colour) {
    if (colour[0] === "#") return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    return (colour.match(/\d+/g) ?? []).slice(0, 3).map(Number);
  }

  /** @param {HTMLElement} canvas
   *  @param {string} name */
  const colourOf = (canvas, name) =>
    getComputedStyle(canvas).getPropertyValue(`--lab-${name}`).trim();

  class WeightMap {
    /** A tile for each of `tiles` neurons, in it a pixel for each of `pixels` others.

        `at(tile, pixel)` is the index of their weight in a matrix of the engine.
     *  @param {HTMLCanvasElement} canvas
     *  @param {{ tiles: number, pixels: number, across: number,
     *    at: (tile: number, pixel: number) => number }} form */
    constructor(canvas, { tiles, pixels, across, at }) {
      const side = Math.ceil(Math.sqrt(pixels)), down = Math.ceil(tiles / across);
      this.canvas = canvas;
      this.tiles = tiles;
      this.pixels = pixels;
      this.across = across;
      this.side = side;
      this.at = at;
      this.selected = -1;
      canvas.width = across * (side + 1) - 1;
      canvas.height = down * (side + 1) - 1;
      this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      const make = () => {
        const layer = document.createElement("canvas");
        layer.width = canvas.width;
        layer.height = canvas.height;
        return /** @type {CanvasRenderingContext2D} */ (layer.getContext("2d"));
      };
      this.base = make();
      this.flash = make();
      this.image = this.base.createImageData(canvas.width, canvas.height);
      this.changes = this.flash.createImageData(canvas.width, canvas.height);
      this.changed = false;
      this.version = 0;  // goes up whenever a weight is painted
      this.drawn = "";  // what is on the canvas
      this.ink = "";
      /** The colours of a weight that went up, and down. @type {Record<number, number[]>} */
      this.signs = {};
      /** The colour of every half weight from -128; empty before it is on the page.
       *  @type {number[][]} */
      this.table = [];
    }

    /** Read the page's colours. */
    recolour() {
      const [plus, minus, zero] = ["plus", "minus", "zero"].map((n) =>
        rgb(colourOf(this.canvas, n)));
      this.ink = colourOf(this.canvas, "ink");
      // Whole pixels where there is room for them, else a smooth reduction.
      const room = this.canvas.clientWidth >= this.canvas.width;
      this.canvas.style.imageRendering = room ? "pixelated" : "auto";
      this.signs = { 1: plus, "-1": minus };
      this.table = Array.from({ length: 256 }, (_, half) => {
        const weight = (half - 128) / 128, end = weight < 0 ? minus : plus;
        const t = Math.abs(weight) ** 0.8;
        return zero.map((z, n) => Math.round(z + t * (end[n] - z)));
      });
    }

    /** @param {number} tile
     *  @param {number} pixel */
    _place(tile, pixel) {
      const x = (tile % this.across) * (this.side + 1) + (pixel % this.side);
      const y = Math.floor(tile / this.across) * (this.side + 1) + Math.floor(pixel / this.side);
      return 4 * (y * this.canvas.width + x);
    }

    /** @param {number} tile
     *  @param {number} pixel
     *  @param {Int16Array} rows */
    _paint(tile, pixel, rows) {
      const at = this._place(tile, pixel), data = this.image.data;
      const colour = this.table[rows[this.at(tile, pixel)] / 2 + 128];
      data[at] = colour[0];
      data[at + 1] = colour[1];
      data[at + 2] = colour[2];
      data[at + 3] = 255;
    }

    /** Show all weights of `rows`.
     *  @param {Int16Array} rows */
    paint(rows) {
      if (!this.table.length) return;
      for (let tile = 0; tile < this.tiles; tile++) {
        for (let pixel = 0; pixel < this.pixels; pixel++) this._paint(tile, pixel, rows);
      }
      this.base.putImageData(this.image, 0, 0);
      this.version++;
    }

    /** Show that the weights between `tiles` and `pixels` went up (sign 1) or down (-1).
     *  @param {number[]} tiles
     *  @param {number[]} pixels
     *  @param {number} sign
     *  @param {Int16Array} rows */
    touch(tiles, pixels, sign, rows) {
      const data = this.changes.data, colour = this.signs[sign];
      data.fill(0);
      for (const tile of tiles) {
        for (const pixel of pixels) {
          this._paint(tile, pixel, rows);
          const at = this._place(tile, pixel);
          data[at] = colour[0];
          data[at + 1] = colour[1];
          data[at + 2] = colour[2];
          data[at + 3] = 255;
        }
      }
      this.base.putImageData(this.image, 0, 0);
      this.flash.putImageData(this.changes, 0, 0);
      this.version++;
      this.changed = true;
    }

    /** Draw; `glow` 0..1 is how strongly the last change shines.
     *  @param {number} glow */
    draw(glow) {
      const state = [this.version, this.changed && glow, this.selected].join();
      if (state === this.drawn) return;
      this.drawn = state;
      const c = this.context;
      c.clearRect(0, 0, this.canvas.width, this.canvas.height);
      if (this.changed && glow > 0) {
        c.globalAlpha = 1 - 0.75 * glow;
        c.drawImage(this.base.canvas, 0, 0);
        c.globalAlpha = glow;
        c.drawImage(this.flash.canvas, 0, 0);
        c.globalAlpha = 1;
      } else {
        c.drawImage(this.base.canvas, 0, 0);
      }
      if (this.selected >= 0) {
        const size = this.side + 1;
        c.strokeStyle = this.ink;
        c.lineWidth = 1;
        c.strokeRect((this.selected % this.across) * size - 0.5,
          Math.floor(this.selected / this.across) * size - 0.5, size, size);
      }
    }

    /** Draw the selected tile into `lens`, a pixel each.
     *  @param {HTMLCanvasElement} lens */
    magnify(lens) {
      const { side, across, selected } = this;
      lens.width = lens.height = side;
      lens.getContext("2d")?.drawImage(this.canvas, (selected % across) * (side + 1),
        Math.floor(selected / across) * (side + 1), side, side, 0, 0, side, side);
    }

    /** The tile under a pointer event.
     *  @param {PointerEvent} event */
    tileAt(event) {
      const box = this.canvas.getBoundingClientRect(), size = this.side + 1;
      const x = ((event.clientX - box.left) / box.width) * (this.canvas.width + 1);
      const y = ((event.clientY - box.top) / box.height) * (this.canvas.height + 1);
      const tile = Math.floor(y / size) * this.across + Math.floor(x / size);
      return Math.min(Math.max(tile, 0), this.tiles - 1);
    }
  }

  class Curve {
    /** Lines over the number of samples learned; `lines` is [{key, label, colour, dash}].
     *  @param {HTMLCanvasElement} canvas
     *  @param {{ key: keyof Lab.Tally, label: string, colour: string, dash?: number[] }[]} lines */
    constructor(canvas, lines) {
      this.canvas = canvas;
      this.lines = lines;
      /** @type {(Lab.Tally & { samples: number })[]} */
      this.points = [];
      this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    }

    /** @param {Lab.Tally & { samples: number }} point */
    add(point) {
      this.points.push(point);
    }

    clear() {
      this.points = [];
    }

    draw() {
      const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
      if (!width) return;
      const ratio = window.devicePixelRatio || 1, c = this.context;
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      const family = getComputedStyle(this.canvas).fontFamily;
      const [left, right, top, bottom] = [38, width - 96, 10, height - 24];
      const last = this.points.length ? this.points[this.points.length - 1].samples : 0;
      const limit = [500, 1000, 2000, 5000, 10000, 20000, 50000].find((n) => n >= last)
        || Math.ceil(last / 50000) * 50000;
      /** @param {number} samples */
      const x = (samples) => left + ((right - left) * samples) / limit;
      /** @param {number} value */
      const y = (value) => bottom - (bottom - top) * value;

      c.font = `11px ${family}`;
      c.fillStyle = colourOf(this.canvas, "muted");
      c.strokeStyle = colourOf(this.canvas, "line");
      c.lineWidth = 1;
      c.textBaseline = "middle";
      c.textAlign = "right";
      for (const value of [0, 0.25, 0.5, 0.75, 1]) {
        c.beginPath();
        c.moveTo(left, y(value));
        c.lineTo(right, y(value));
        c.stroke();
        c.fillText(`${100 * value}%`, left - 6, y(value));
      }
      c.textBaseline = "top";
      c.textAlign = "center";
      for (const part of [0, 0.5, 1]) {
        c.fillText((limit * part).toLocaleString("en"), x(limit * part), bottom + 7);
      }
      if (!this.points.length) return;

      /** @type {{ label: string, at: number, x: number, colour: typeof c.strokeStyle }[]} */
      const ends = [];
      c.lineJoin = "round";
      for (const { key, label, colour, dash } of this.lines) {
        const { points } = this;
        c.strokeStyle = colourOf(this.canvas, colour);
        c.setLineDash(dash || []);
        c.lineWidth = 2;
        c.beginPath();
        points.forEach((point) => c.lineTo(x(point.samples), y(point[key])));
        c.stroke();
        c.setLineDash([]);
        const { samples, [key]: value } = points[points.length - 1];
        c.fillStyle = c.strokeStyle;
        c.beginPath();
        c.arc(x(samples), y(value), 3, 0, 7);
        c.fill();
        ends.push({ label: `${label} ${Math.round(100 * value)}%`, at: y(value), x: x(samples),
          colour: c.strokeStyle });
      }
      // Labels beside the ends of the lines, pushed apart where they would touch.
      ends.sort((a, b) => a.at - b.at);
      ends.forEach((end, i) => {
        if (i) end.at = Math.max(end.at, ends[i - 1].at + 14);
      });
      c.textAlign = "left";
      c.textBaseline = "middle";
      c.font = `600 11px ${family}`;
      for (const { label, at, colour, x: end } of ends) {
        c.fillStyle = colour;
        c.fillText(label, end + 7, at);
      }
    }
  }

  return { WeightMap, Curve };
})();

window.SBP = Object.assign(window.SBP || {}, sbpMaps);
