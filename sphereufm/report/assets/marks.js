// Marks of figures and rows of the table know each other: hovering lights both, a click or Enter opens the row.
const MOST_STOPS = 100;
const SAID = ["row", "cost", "rank", "Morse index", "kind", "status"];
const marksOf = new Map();
// a key is the row's number from zero, after the name of its table where that is not the page's first
const rowAt = (key) => { const at = key.lastIndexOf("-") + 1; return document.getElementById(`${key.slice(0, at)}row-${Number(key.slice(at)) + 1}`); };
const keyOf = (row) => { const at = row.id.lastIndexOf("row-"); return row.id.slice(0, at) + (Number(row.id.slice(at + 4)) - 1); };
const cellsOf = (row) => {
  const heads = [...row.closest("table").tHead.rows[0].cells].map((head) => head.textContent);
  return [...row.cells].map((cell, k) => [heads[k], cell.textContent]);
};
const sentence = (key) => {
  const row = rowAt(key), cells = cellsOf(row), said = row.closest("table").id === "rows";
  const chosen = said ? cells.filter(([head]) => SAID.some((name) => head === name || head.startsWith(name + " ("))) : cells;
  return chosen.map(([head, text]) => `${head.split(" (")[0]} ${text}`).join(", ");
};
const openRow = (key) => {
  const row = rowAt(key), folded = row.closest("details");
  if (folded) folded.open = true;
  const button = row.querySelector("button[data-index]"), first = button ?? row.querySelector("a") ?? row;
  row.hidden = false;
  if (button && button.getAttribute("aria-expanded") !== "true") button.click();
  row.scrollIntoView({ block: "center" });
  if (first === row) row.tabIndex = -1;
  first.focus({ preventScroll: true });
};
// a thin line is met by a pointer that comes near
const widen = (paths) => {
  for (const path of paths) {
    if (path.style.fill !== "none") continue;
    const wide = path.cloneNode();
    wide.removeAttribute("id");
    wide.style.cssText = "fill: none; stroke: transparent; stroke-width: 9";
    path.after(wide);
  }
};
for (const group of document.querySelectorAll('figure svg [id*="rows_"]')) {
  const [, table, numbers] = /^[^-]+-(.*)rows_(.*)$/.exec(group.id);
  // an arrow belongs to both of its rows
  const arrow = table === "arrow-", prefix = arrow ? "" : table;
  const keys = numbers.split("_").filter(Boolean).map((number) => prefix + number).filter(rowAt);
  const image = group.querySelector("image"), uses = [...group.querySelectorAll("use")];
  const paths = [...group.querySelectorAll("path")].filter((path) => !path.closest("defs"));
  // few marks of a simple shape are drawn without a common definition
  const each = [uses, paths].find((found) => found.length === keys.length);
  const parts = image ? [image] : arrow || !each ? [group] : each;
  // of an image the rows are those of the table, from above
  if (image) image.addEventListener("pointermove", (event) => {
    const box = image.getBoundingClientRect(), share = (event.clientY - box.top) / box.height;
    image.dataset.row = keys[Math.max(0, Math.min(keys.length - 1, Math.floor(share * keys.length)))];
    point(image.dataset.row, event);
  });
  keys.forEach((key, k) => {
    if (!arrow && k >= parts.length) return;
    const part = parts[k] ?? group;
    part.dataset[arrow && k ? "to" : "row"] = key;
    if (!marksOf.has(key)) marksOf.set(key, []);
    marksOf.get(key).push(part);
  });
  widen(paths);
}
const light = (key, on) => {
  for (const mark of marksOf.get(key) ?? []) mark.classList.toggle("lit", on);
  rowAt(key)?.classList.toggle("lit", on);
};
const tip = put(document.body, "div", "", "tip");
tip.hidden = true;
const indexOf = (target) => {
  const mark = target.closest?.("[data-row]"), row = target.closest?.("tr[id*=row-]");
  return mark ? mark.dataset.row : row ? keyOf(row) : null;
};
let lit = null;
const point = (index, place, to = null) => {
  if (lit !== null) light(lit, false);
  lit = index;
  if (index !== null) light(index, true);
  tip.hidden = index === null || place === null;
  if (tip.hidden) return;
  tip.textContent = to === null ? sentence(index) : `descents from ${sentence(index)}; to ${sentence(to)}`;
  tip.style.left = `${Math.min(place.x + 12, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${place.y + 14}px`;
};
document.addEventListener("pointerover", (event) => {
  const mark = event.target.closest?.("[data-row]");
  point(indexOf(event.target), mark ? event : null, mark?.dataset.to);
});
document.addEventListener("focusin", (event) => {
  const mark = event.target.closest?.("[data-row]"), box = mark?.getBoundingClientRect();
  point(indexOf(event.target), mark ? { x: box.right, y: box.bottom } : null);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") point(null, null);
  const mark = event.key === "Enter" && event.target.closest?.("[data-row]");
  if (mark) openRow(mark.dataset.row);
});
document.addEventListener("click", (event) => {
  const mark = event.target.closest?.("[data-row]"), link = event.target.closest?.('a[href^="#row-"]');
  if (mark) openRow(mark.dataset.row);
  if (link) { event.preventDefault(); openRow(String(Number(link.hash.slice(5)) - 1)); }
});
// the marks of the first figure can be reached by the keyboard, unless they are too many
const stops = [...(document.querySelector("figure svg:has([data-row])")?.querySelectorAll("[data-row]") ?? [])];
if (stops.length && stops.length <= MOST_STOPS) {
  stops[0].closest("svg").setAttribute("role", "group");
  for (const stop of stops) {
    stop.setAttribute("tabindex", "0");
    stop.setAttribute("role", "button");
    stop.setAttribute("aria-label", sentence(stop.dataset.row));
  }
}
document.addEventListener("filtered", () => {
  for (const parts of marksOf.values()) for (const part of parts) part.classList.remove("dim");
  for (const [key, parts] of marksOf) if (rowAt(key).hidden) for (const part of parts) part.classList.add("dim");
});
