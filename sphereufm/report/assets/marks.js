// Marks of figures and rows of the table know each other: hovering lights both, a click or Enter opens the row.
const MOST_STOPS = 100;
const SAID = ["row", "cost", "rank", "Morse index", "kind", "status"];
const marksOf = new Map();
const rowAt = (index) => document.getElementById(`row-${index + 1}`);
const rowHeads = [...document.querySelectorAll("#rows thead th")].map((head) => head.textContent);
const sentence = (index) => SAID.map((name) => {
  const column = rowHeads.findIndex((head) => head === name || head.startsWith(name + " ("));
  return `${name} ${rowAt(index).cells[column].textContent}`;
}).join(", ");
const openRow = (index) => {
  const row = rowAt(index), button = row.querySelector("button[data-index]");
  row.hidden = false;
  if (button.getAttribute("aria-expanded") !== "true") button.click();
  row.scrollIntoView({ block: "center" });
  button.focus({ preventScroll: true });
};
for (const group of document.querySelectorAll('figure svg [id*="-rows_"]')) {
  const rows = group.id.split("-rows_")[1].split("_").map(Number), uses = [...group.querySelectorAll("use")];
  const parts = uses.length === rows.length ? uses : [group];
  parts.forEach((part, k) => {
    part.dataset.row = rows[k];
    if (!marksOf.has(rows[k])) marksOf.set(rows[k], []);
    marksOf.get(rows[k]).push(part);
  });
}
const light = (index, on) => {
  for (const mark of marksOf.get(index) ?? []) mark.classList.toggle("lit", on);
  rowAt(index)?.classList.toggle("lit", on);
};
const tip = put(document.body, "div", "", "tip");
tip.hidden = true;
const indexOf = (target) => {
  const mark = target.closest?.("[data-row]"), row = target.closest?.("tr[id^=row-]");
  return mark ? Number(mark.dataset.row) : row ? Number(row.id.slice(4)) - 1 : null;
};
let lit = null;
const point = (index, place) => {
  if (lit !== null) light(lit, false);
  lit = index;
  if (index !== null) light(index, true);
  tip.hidden = index === null || place === null;
  if (tip.hidden) return;
  tip.textContent = sentence(index);
  tip.style.left = `${Math.min(place.x + 12, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${place.y + 14}px`;
};
document.addEventListener("pointerover", (event) => {
  const mark = event.target.closest?.("[data-row]");
  point(indexOf(event.target), mark ? { x: event.clientX, y: event.clientY } : null);
});
document.addEventListener("focusin", (event) => {
  const mark = event.target.closest?.("[data-row]"), box = mark?.getBoundingClientRect();
  point(indexOf(event.target), mark ? { x: box.right, y: box.bottom } : null);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") point(null, null);
  const mark = event.key === "Enter" && event.target.closest?.("[data-row]");
  if (mark) openRow(Number(mark.dataset.row));
});
document.addEventListener("click", (event) => {
  const mark = event.target.closest?.("[data-row]"), link = event.target.closest?.('a[href^="#row-"]');
  if (mark) openRow(Number(mark.dataset.row));
  if (link) { event.preventDefault(); openRow(Number(link.hash.slice(5)) - 1); }
});
// the marks of the first figure can be reached by the keyboard, unless they are too many
const stops = [...(document.querySelector("figure svg:has([data-row])")?.querySelectorAll("[data-row]") ?? [])];
if (stops.length && stops.length <= MOST_STOPS) {
  stops[0].closest("svg").setAttribute("role", "group");
  for (const stop of stops) {
    stop.setAttribute("tabindex", "0");
    stop.setAttribute("role", "button");
    stop.setAttribute("aria-label", sentence(Number(stop.dataset.row)));
  }
}
document.addEventListener("filtered", () => {
  for (const [index, parts] of marksOf) for (const part of parts) part.classList.toggle("dim", rowAt(index).hidden);
});
