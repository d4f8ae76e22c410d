/* The pad: drawing with mouse, finger, pen or keyboard. */
const sbpPad = (function () {
  "use strict";

  const { lines } = window.SBP;
  const STEP = 5;  // hundredths of the pad that an arrow key moves the pen
  const APART = 3;  // of two points of a stroke, at least

  class Pad {
    /** `changed(strokes)` is called with the drawing (see draw.js) whenever it has changed.
     *  @param {HTMLCanvasElement} canvas
     *  @param {(strokes: Lab.Stroke[]) => void} changed */
    constructor(canvas, changed) {
      this.canvas = canvas;
      this.changed = changed;
      /** @type {Lab.Stroke[]} */
      this.strokes = [];
      this.finished = false;
      this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      /** The pointer that draws. @type {number | null} */
      this.pointer = null;
      /** @type {Lab.Point} */
      this.pen = [50, 15];
      this.down = false;  // the keyboard's pen
      canvas.addEventListener("pointerdown", (event) => this._begin(event));
      canvas.addEventListener("pointermove", (event) => this._move(event));
      for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
        canvas.addEventListener(end, () => (this.pointer = null));
      }
      canvas.addEventListener("keydown", (event) => this._key(event));
      for (const type of ["focus", "blur"]) {
        canvas.addEventListener(type, () => {
          this.down = false;
          this.draw();
        });
      }
    }

    /** Put `strokes` onto the pad; the next stroke begins a new drawing.
     *  @param {Lab.Stroke[]} strokes */
    set(strokes) {
      this.strokes = strokes;
      this.finished = strokes.length > 0;
      this.down = false;
      this._update();
    }

    _update() {
      this.draw();
      this.changed(this.strokes);
    }

    /** @param {Lab.Point} point */
    _start(point) {
      if (this.finished) this.strokes = [];
      this.finished = false;
      this.strokes.push([point]);
    }

    /** @param {PointerEvent} event
     *  @returns {Lab.Point} */
    _place(event) {
      const box = this.canvas.getBoundingClientRect();
      /** @param {number} x */
      const inside = (x) => Math.min(Math.max(Math.round(100 * x), 0), 99);
      return [inside((event.clientX - box.left) / box.width),
        inside((event.clientY - box.top) / box.height)];
    }

    /** @param {PointerEvent} event */
    _begin(event) {
      if (event.button || this.pointer !== null) return;
      this.pointer = event.pointerId;
      try {
        this.canvas.setPointerCapture(event.pointerId);
      } catch { /* the pointer has gone already */ }
      this._start(this._place(event));
      this._update();
    }

    /** @param {PointerEvent} event */
    _move(event) {
      if (event.pointerId !== this.pointer) return;
      const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      const stroke = this.strokes[this.strokes.length - 1];
      for (const each of events.length ? events : [event]) this._extend(stroke, this._place(each));
      this._update();
    }

    /** Go on to `point`; the end of the line follows the pen and stays where it has gone far.
     *  @param {Lab.Stroke} stroke
     *  @param {Lab.Point} point */
    _extend(stroke, point) {
      const [before, last] = [stroke[stroke.length - 2], stroke[stroke.length - 1]];
      if (String(point) === String(last)) return;
      const near = before && Math.hypot(last[0] - before[0], last[1] - before[1]) < APART;
      if (near) stroke.pop();
      stroke.push(point);
    }

    /** @param {KeyboardEvent} event */
    _key(event) {
      /** @type {Record<string, Lab.Point | undefined>} */
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const move = moves[event.key];
      if (move) {
        /** @param {number} x */
        const inside = (x) => Math.min(Math.max(x, 5), 95);
        this.pen = [inside(this.pen[0] + move[0] * STEP), inside(this.pen[1] + move[1] * STEP)];
        if (this.down) this.strokes[this.strokes.length - 1].push([...this.pen]);
      } else if (event.key === " ") {
        this.down = !this.down;
        if (this.down) this._start([...this.pen]);
      } else if (event.key === "Delete" || event.key === "Backspace") {
        this.strokes = [];
        this.down = false;
      } else {
        return;
      }
      event.preventDefault();
      if (move && !this.down) this.draw();
      else this._update();
    }

    draw() {
      const size = this.canvas.clientWidth, ratio = window.devicePixelRatio || 1;
      if (!size) return;
      const c = this.context, style = getComputedStyle(this.canvas);
      /** @param {string} name */
      const colour = (name) => style.getPropertyValue(`--lab-${name}`).trim();
      if (this.canvas.width !== Math.round(size * ratio)) {
        this.canvas.width = this.canvas.height = Math.round(size * ratio);
      }
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      c.clearRect(0, 0, size, size);
      c.lineCap = c.lineJoin = "round";
      c.lineWidth = size * 0.085;
      c.strokeStyle = colour("ink");
      for (const stroke of lines(this.strokes)) {
        c.beginPath();
        c.moveTo(stroke[0][0] * size, stroke[0][1] * size);
        for (const [x, y] of stroke) c.lineTo(x * size, y * size);
        if (stroke.length === 1) c.lineTo(stroke[0][0] * size + 0.01, stroke[0][1] * size);
        c.stroke();
      }
      if (this.canvas.matches(":focus-visible")) {
        c.lineWidth = 2;
        c.strokeStyle = c.fillStyle = colour("gate");
        c.beginPath();
        c.arc((this.pen[0] * size) / 100, (this.pen[1] * size) / 100, 7, 0, 7);
        c.stroke();
        if (this.down) c.fill();
      }
    }
  }

  return { Pad };
})();

window.SBP = Object.assign(window.SBP || {}, sbpPad);
