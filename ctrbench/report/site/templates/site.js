// Sorting, filtering and charts to point at. Every number can be read without it.
(() => {
  "use strict";

  const collator = new Intl.Collator("en", { numeric: true });

  /** What a row is sorted by: a number where the cell holds one, else its text; null where it holds nothing. */
  function keyOf(row, index) {
    const cell = row.cells[index];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const text = cell.textContent.trim();
    return cell.classList.contains("number") && !text.match(/[^-]/) ? null : text;
  }

  /** Cells without a number stay last in both directions; of two kinds, numbers come first. */
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];

    function sort(index, direction) {
      const sign = direction === "ascending" ? 1 : -1;
      const keys = new Map(original.map((row) => [row, keyOf(row, index)]));
      const rows = direction === null ? original : [...original].sort((a, b) => {
        const fixed = a.classList.contains("unranked") - b.classList.contains("unranked");
        return fixed || compare(keys.get(a), keys.get(b), sign);
      });
      body.append(...rows);
      heads.forEach((head, at) => {
        if (at === index && direction !== null) head.setAttribute("aria-sort", direction);
        else head.removeAttribute("aria-sort");
      });
    }

    heads.forEach((head, index) => {
      const order = ["ascending", "descending", null];
      if (head.dataset.best === "highest") order.splice(0, 2, "descending", "ascending");
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const now = order.indexOf(head.getAttribute("aria-sort"));
        sort(index, order[(now + 1) % 3]);
      });
    });
  }

  function filtered(table) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 4) return;
    const box = document.createElement("div");
    const label = document.createElement("label");
    const input = document.createElement("input");
    const told = document.createElement("output");
    box.className = "filter";
    input.type = "search";
    input.autocomplete = "off";
    label.append("Filter rows ", input);
    box.append(label, told);
    table.closest(".scroll").before(box);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        left += !row.hidden;
      }
      told.textContent = words.length ? `${left} of ${rows.length} rows` : "";
    });
  }

  const errorsOnly = 1; // a chart of few numbers has empty layers, of which Vega would warn
  const options = { ast: true, renderer: "svg", actions: false, defaultStyle: false, logLevel: errorsOnly };

  /** Puts a chart that answers in the place of its drawing; the drawing stays where that fails. */
  async function draw(figure) {
    const place = figure.querySelector(".chart");
    const spec = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const made = document.createElement("div");
    // As many plots beside each other as there is room for.
    const plot = spec.spec?.width ?? 0;
    if (spec.facet && spec.columns && plot) {
      spec.columns = Math.max(1, Math.min(spec.columns, Math.floor(place.clientWidth / (plot + 50))));
    }
    // An interpreter evaluates the chart's expressions: the page's policy forbids making code from text.
    await window.vegaEmbed(made, spec, options);
    place.replaceChildren(made);
    place.dataset.drawn = "";
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("table.filtered").forEach(filtered);
  if (window.vegaEmbed) document.querySelectorAll("figure.drawn").forEach(draw);
})();
