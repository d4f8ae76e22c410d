// What is wider than the page scrolls by itself (book.css); so that the keyboard can scroll it too,
// it has to take the focus.
(() => {
  "use strict";
  const mark = () => {
    for (const part of document.querySelectorAll(".bd-article :is(table, div.math, pre)")) {
      if (part.scrollWidth > part.clientWidth + 1) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  };
  addEventListener("load", mark);
  addEventListener("resize", mark);
})();
