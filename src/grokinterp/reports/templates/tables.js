// Tables that sort by a click on a column's head, and filter by the boxes under it. Of a long one only the rows at the
// top are in the document until a reader scrolls down to the others: to lay all of them out anew takes a second.
(() => {
  "use strict";
  const AT_ONCE = 60; // rows
  const collator = new Intl.Collator("en", { numeric: true });
  const blankLast = (one, other) => (one === "") - (other === "");

  function prepare(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({
      row,
      values: [...row.cells].map((cell) => cell.dataset.v ?? cell.textContent.trim()),
      text: [...row.cells].map((cell) => cell.textContent).join("\n").toLowerCase(),
    }));
    const numbers = rows.length ? rows[0].values.map((_, i) => rows.every(({ values }) => values[i] === "" || !Number.isNaN(Number(values[i])))) : [];
    const scroller = table.parentElement;
    let visible = rows;
    let attached = rows.length;
    let sorted = -1;
    let down = false;

    function fill(upTo) {
      attached = Math.min(upTo, visible.length);
      body.replaceChildren(...visible.slice(0, attached).map(({ row }) => row));
    }
    function more() {
      if (attached < visible.length && scroller.scrollTop + scroller.clientHeight > scroller.scrollHeight - 600) {
        body.append(...visible.slice(attached, attached + AT_ONCE).map(({ row }) => row));
        attached = Math.min(attached + AT_ONCE, visible.length);
      }
    }

    function sort(column) {
      down = column === sorted ? !down : false;
      sorted = column;
      const compare = numbers[column]
        ? (one, other) => Number(one) - Number(other)
        : (one, other) => collator.compare(one, other);
      rows.sort((one, other) => {
        const [a, b] = [one.values[column], other.values[column]];
        return blankLast(a, b) || (down ? compare(b, a) : compare(a, b));
      });
      filter();
      for (const button of table.querySelectorAll("[data-column]")) {
        const is = Number(button.dataset.column) === column;
        button.parentElement.setAttribute("aria-sort", is ? (down ? "descending" : "ascending") : "none");
      }
    }

    // `> 0.99` and the like compare numbers; anything else is looked for in the words.
    function test(wanted, column) {
      const bound = wanted.match(/^\s*(<=|>=|<|>|=)\s*(.+?)\s*$/);
      const [, sign, text] = bound || [null, "", ""];
      const limit = text.endsWith("%") ? Number(text.slice(0, -1)) / 100 : Number(text);
      if (!bound || (Number.isNaN(limit) && sign !== "=")) {
        const part = wanted.trim().toLowerCase();
        return ({ row, values }) => values[column].toLowerCase().includes(part) || row.cells[column].textContent.toLowerCase().includes(part);
      }
      const holds = { "<": (v) => v < limit, ">": (v) => v > limit, "<=": (v) => v <= limit, ">=": (v) => v >= limit,
        "=": (v, raw) => (Number.isNaN(limit) ? raw.toLowerCase() === text.toLowerCase() : v === limit) }[sign];
      return ({ values }) => values[column] !== "" && holds(Number(values[column]), values[column]);
    }

    const everywhere = table.classList.contains("runs") ? document.getElementById("filter") : null;
    const boxes = [...table.querySelectorAll("[data-filter]")];
    function filter() {
      const tests = boxes.filter((box) => box.value.trim()).map((box) => test(box.value, Number(box.dataset.filter)));
      const part = everywhere ? everywhere.value.trim().toLowerCase() : "";
      visible = part || tests.length ? rows.filter((each) => (!part || each.text.includes(part)) && tests.every((passes) => passes(each))) : rows;
      scroller.scrollTop = 0;
      fill(AT_ONCE);
      const shown = visible.length;
      const count = document.getElementById("shown");
      if (everywhere && count) count.textContent = shown === rows.length ? rows.length.toLocaleString("en") + " runs" : shown.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " runs";
    }

    table.addEventListener("click", (event) => {
      const button = event.target.closest("[data-column]");
      if (button) sort(Number(button.dataset.column));
    });
    scroller.addEventListener("scroll", more, { passive: true });
    window.addEventListener("beforeprint", () => fill(visible.length));
    for (const box of [...boxes, ...(everywhere ? [everywhere] : [])]) box.addEventListener("input", filter);
    filter();
  }

  document.querySelectorAll("table.sortable").forEach(prepare);
})();
