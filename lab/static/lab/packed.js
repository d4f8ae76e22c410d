/* What sbp.app.lab packs into scripts, unpacked.

   Such a script sets one name to JSON that was compressed and written in base 85, so that a page
   opened from disk may load it.  given(name) is what it holds.  In it, weights and patterns are
   bytes in base 64. */
const sbpPacked = (function () {
  "use strict";

  const FIGURES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" +
    "!#$%&()*+-;<=>?@^_`{|}~";  // those of Python's base64.b85encode
  const VALUE = new Map(Array.from(FIGURES, (figure, value) => [figure, value]));

  /** The bytes of a text in base 85: five figures are four bytes, the highest first.
   *  @param {string} text */
  function bytes85(text) {
    const found = new DataView(new ArrayBuffer(4 * Math.ceil(text.length / 5)));
    for (let i = 0; i < text.length; i += 5) {
      let number = 0;
      for (const figure of text.slice(i, i + 5).padEnd(5, "~")) {
        number = 85 * number + (VALUE.get(figure) ?? NaN);
      }
      found.setUint32((4 * i) / 5, number);
    }
    return new Uint8Array(found.buffer, 0, Math.floor((4 * text.length) / 5));
  }

  /** The value that `text` packs.
   *  @param {string} text */
  function unpack(text) {
    const packed = new Blob([bytes85(text)]).stream();
    return new Response(packed.pipeThrough(new DecompressionStream("deflate"))).json();
  }

  /** @type {{ [name in keyof Lab.Given]?: Promise<Lab.Given[name]> }} */
  const known = {};

  /** What the script that sets window[name] holds; unpacked once.
   *  @template {keyof Lab.Given} Name
   *  @param {Name} name
   *  @returns {Promise<Lab.Given[Name]>} */
  const given = (name) => (known[name] ??= unpack(window[name] ?? ""));

  /** The bytes of a base 64 string.
   *  @param {string} text */
  function bytes(text) {
    const raw = atob(text);
    return Uint8Array.from({ length: raw.length }, (_, i) => raw.charCodeAt(i));
  }

  /** Rows of `size` bits, each beginning with a byte of its own -> row(k), its bytes 0/1.
   *  @param {string} text
   *  @param {number} size
   *  @returns {(k: number) => Uint8Array} */
  function bits(text, size) {
    const packed = bytes(text), width = Math.ceil(size / 8);
    return (k) => Uint8Array.from({ length: size }, (_, i) =>
      (packed[k * width + (i >> 3)] >> (7 - (i & 7))) & 1);
  }

  /** Weights (half of each, int8) -> {name: Int16Array, a row per target}.
   *  @param {Lab.Packed} packed */
  function unpackWeights(packed) {
    /** @type {Lab.Weights} */
    const weights = {};
    for (const name in packed) {
      const halves = new Int8Array(bytes(packed[name]).buffer);
      weights[name] = Int16Array.from(halves, (half) => 2 * half);
    }
    return weights;
  }

  return { bits, bytes85, given, unpack, unpackWeights };
})();

window.SBP = Object.assign(window.SBP || {}, sbpPacked);
