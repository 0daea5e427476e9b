// Filters above a table: a choice for each column that its `data-filters` names, and a search over all texts.
for (const table of document.querySelectorAll("table[data-filters]")) {
  const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent);
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent));
  const whole = texts.map((cells) => cells.join(" ").toLowerCase());
  const form = document.createElement("form");
  form.className = "filters";
  form.setAttribute("role", "search");
  const labelled = (name, control) => { const label = put(form, "label", name + " "); label.append(control); return control; };
  const search = labelled("search", document.createElement("input"));
  search.type = "search";
  const choices = table.dataset.filters.split(",").map((name) => {
    const column = heads.indexOf(name), select = labelled(name, document.createElement("select"));
    put(select, "option", "all").value = "";
    // of a status its first word: what follows is a reason
    const value = (cells) => name === "status" ? cells[column].split(" ")[0] : cells[column];
    for (const text of [...new Set(texts.map(value))].sort(words.compare)) put(select, "option", text);
    return { select, value };
  });
  const count = put(form, "output", "");
  count.setAttribute("aria-live", "polite");
  const apply = () => {
    const wanted = search.value.toLowerCase();
    let shown = 0;
    rows.forEach((row, k) => {
      const fits = whole[k].includes(wanted) && choices.every(({ select, value }) => !select.value || select.value === value(texts[k]));
      row.hidden = !fits;
      if (row.nextElementSibling?.className === "detail") row.nextElementSibling.hidden = !fits;
      shown += fits;
    });
    count.textContent = `${shown} of ${counted(rows.length, "row")}`;
    document.dispatchEvent(new Event("filtered"));
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  table.parentElement.before(form);
  apply();
}
