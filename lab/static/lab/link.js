/* The state in the address: #digit=WORD&teach=N, so that a drawing and its lesson can be shared. */
const sbpLink = (function () {
  "use strict";

  const { decode, encode } = window.SBP;
  const REST = 400;  // milliseconds without a change after which the address follows

  class Link {
    /** Follow `drawing`, and bring back what the address says; `show()` opens its tab.
     *  @param {Lab.Drawing} drawing
     *  @param {() => void} show */
    constructor(drawing, show) {
      this.drawing = drawing;
      this.show = show;
      this.timer = 0;
      this.last = this.state();  // what the lab opens with needs no address
      drawing.follow = () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.write(), REST);
      };
      drawing.address = () => this.write();
      window.addEventListener("hashchange", () => this.read());
      // A link of the page to the state that the address has already works once more.
      document.addEventListener("click", (event) => {
        if (!(event.target instanceof Element)) return;
        /** @type {HTMLAnchorElement | null} */
        const link = event.target.closest('a[href^="#digit="]');
        if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        if (location.hash === link.hash) this.read();
        else location.hash = link.hash;
      });
      this.read();
    }

    /** "#digit=..." for what is on the pad, "" for an empty one. */
    state() {
      const { pad, label } = this.drawing;
      if (!pad.strokes.length) return "";
      return `#digit=${encode(pad.strokes)}${label === undefined ? "" : `&teach=${label}`}`;
    }

    /** Put the state into the address; returns the whole address. */
    write() {
      clearTimeout(this.timer);
      const state = this.state(), here = location.href.replace(/#.*/, "");
      if (state !== this.last) {
        this.last = state;
        history.replaceState(null, "", state || here);
      }
      return here + state;
    }

    /** Bring back the state in the address, if there is one. */
    read() {
      const given = new URLSearchParams(location.hash.slice(1));
      if (!given.has("digit") && !given.has("teach")) return;
      const digit = given.get("digit"), teach = given.get("teach");
      this.show();
      const strokes = digit === null ? this.drawing.pad.strokes : decode(digit);
      const known = teach === null || /^[0-9]$/.test(teach);
      if (!strokes || !known) {
        this.drawing.refuse(strokes ? `teach=${teach?.slice(0, 12)} in the address is no digit; ` +
          "allowed: 0 to 9." : "The drawing in the address is damaged; draw it again.");
        return;
      }
      this.drawing.restore(strokes, teach === null ? undefined : Number(teach));
      this.last = this.state();
    }
  }

  return { Link };
})();

window.SBP = Object.assign(window.SBP || {}, sbpLink);
