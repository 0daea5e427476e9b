// Tables that sort by a heading, and whose rows open where a page says how: `describe(cell, index)` fills a cell.
const LONG_TABLE = 200;
const data = JSON.parse(document.getElementById("data").textContent);
const describers = {};
const put = (parent, tag, text = "", name = "") => {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  parent.append(element);
  return element;
};
const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
const words = new Intl.Collator("en", { numeric: true });
const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : words.compare(String(a), String(b));
const sortKey = (cell) => {
  const key = cell.dataset.key ?? cell.textContent;
  return key.trim() === "" || Number.isNaN(Number(key)) ? key : Number(key);
};
const toggle = (button, describe) => {
  const row = button.closest("tr");
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (open) {
    row.nextElementSibling.remove();
    return;
  }
  const detail = document.createElement("tr");
  detail.className = "detail";
  const cell = detail.insertCell();
  cell.colSpan = row.cells.length;
  describe(cell, Number(button.dataset.index));
  row.after(detail);
};
const sort = (table, heads, column) => {
  const down = heads[column].getAttribute("aria-sort") === "ascending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].filter((row) => row.className !== "detail");
  const keyed = rows.map((row) => {
    const next = row.nextElementSibling;
    return [sortKey(row.cells[column]), next?.className === "detail" ? [row, next] : [row]];
  });
  keyed.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
  body.replaceChildren(...keyed.flatMap((pair) => pair[1]));
};
// columns keep their first widths: else every change of a long table measures all of its cells again
const fixWidths = (table, heads) => {
  const whole = table.offsetWidth;
  if (!whole) return;  // not shown yet
  const shares = heads.map((head) => `${100 * head.offsetWidth / whole}%`);
  heads.forEach((head, column) => { head.style.width = shares[column]; });
  table.style.tableLayout = "fixed";
};
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  if (table.tBodies[0].rows.length > LONG_TABLE) fixWidths(table, heads);
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sort(table, heads, column)));
  table.tBodies[0].addEventListener("click", (event) => {
    const button = event.target.closest("button[data-index]");
    if (button && describers[table.id]) toggle(button, describers[table.id]);
  });
}
