// What a row of the table shows when it is opened.
const CLAIMS = {
  critical: "an exact critical point lies within a stated radius, and only one modulo rotations",
  rank_one: "the point is a sign pattern, hence exactly critical",
  index: "the Morse index, and that the kernel of the Hessian is the orbit's tangent space",
  strict_saddle: "every critical point within a stated radius has a negative Hessian eigenvalue",
  global_minimum: "the point is a global minimiser, in every dimension",
  gap: "a bound of the optimality gap",
  collapsed: "an exact member of the collapsed family, a strict saddle, lies within a stated radius",
  spurious: "a strict local minimiser, and a lower point is exhibited",
  benign: "Theorem S applies to the instance",
};
const MOST_NUMBERS = 400, WIDEST_TEXT = 24, MOST_MEMBERS = 6;
const problem = data.problem;
const classOf = () => {
  const sizes = problem.class_sizes;
  return [...sizes.keys(), ...(problem.labels ?? sizes.flatMap((size, k) => Array(size).fill(k)))];
};
// "cost (nats)" heads the costs, or "cost" where they have no unit
const unit = (/ \(.+\)/.exec(document.querySelector("#rows thead th:nth-child(2)").textContent)?.[0] ?? "").replace(/[()]/g, "");
const classes = problem.class_sizes ? classOf() : null;
const columnNames = (X) => X[0].map((_, j) => !classes ? `x${j + 1}` : j < problem.classes ? `w${j + 1}` : `h${j + 1 - problem.classes}`);
const gram = (X) => X[0].map((_, i) => X[0].map((_, j) => X.reduce((sum, row) => sum + row[i] * row[j], 0)));
const showGram = (cell, X) => {
  const G = gram(X), M = G.length, names = columnNames(X);
  put(cell, "h3", "Gram matrix" + (classes ? " (classifiers w, then features h)" : ""));
  if (M <= WIDEST_TEXT) {
    const head = " ".repeat(5) + names.map((name) => name.padStart(7)).join("");
    put(cell, "pre", [head, ...G.map((row, i) => names[i].padEnd(5) + row.map((x) => x.toFixed(3).padStart(7)).join(""))].join("\n"));
    return;
  }
  const canvas = put(cell, "canvas", "", "gram");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Gram matrix of ${M} columns: blue is 1, white 0, orange -1`);
  canvas.width = canvas.height = M;
  const pen = canvas.getContext("2d");
  G.forEach((row, i) => row.forEach((x, j) => {
    const [r, g, b] = x > 0 ? [0, 114, 178] : [213, 94, 0];
    pen.fillStyle = `rgb(${[r, g, b].map((c) => 255 - Math.min(1, Math.abs(x)) * (255 - c)).join(",")})`;
    pen.fillRect(j, i, 1, 1);
  }));
  put(cell, "p", `${M} columns: blue is 1, white 0, orange -1.`);
};
const multiplied = (values, copies) => {
  const groups = [];
  for (const value of values) {
    const last = groups.at(-1);
    if (last && Math.abs(value - last[0]) <= 1e-9 * Math.max(1, Math.abs(value))) last[1] += copies; else groups.push([value, copies]);
  }
  return groups.map(([value, count]) => value.toPrecision(6) + (count > 1 ? `  (${count} times)` : "")).join("\n") || "none";
};
// eigenvalues along a line: logarithmic in size, with the place of zero marked
const showStrip = (cell, values) => {
  if (!values.length) return;
  const largest = Math.max(...values.map(Math.abs)) || 1, small = 1e-6 * largest;
  const size = (x) => Math.sign(x) * Math.log10(1 + Math.abs(x) / small) / Math.log10(1 + largest / small);
  const place = (x) => 200 + 185 * size(x);
  const svg = draw(cell, "svg", { viewBox: "0 0 400 40", class: "strip", role: "img",
    "aria-label": `${values.filter((x) => x < 0).length} of ${counted(values.length, "eigenvalue")} below zero` });
  draw(svg, "line", { x1: 0, x2: 400, y1: 18, y2: 18 });
  draw(svg, "line", { x1: 200, x2: 200, y1: 4, y2: 26 });
  for (const x of [-largest, 0, largest]) draw(svg, "text", { x: place(x), y: 37 }).textContent = x.toPrecision(2);
  for (const x of values) draw(svg, "circle", { cx: place(x), cy: 18, r: 4, fill: x < 0 ? "#d55e00" : "#0072b2", opacity: 0.7 });
};
const literal = (X) => "[\n" + X.map((row) => "    [" + row.join(", ") + "],").join("\n") + "\n]";
const rebuildLines = (entry, index, member) => {
  const own = member === null ? "" : `.members[${member}]`;
  if (!classes) return `import numpy as np\n\nX = np.array(${literal(entry.point)})\ncost = ${entry.cost}`;
  if (entry.point.length * entry.point[0].length > MOST_NUMBERS) {
    return `from sphereufm import embed, load_report\n\nreport = load_report("landscape.json")\nproblem = report.problem\n`
      + `X = embed(report.critical[${index}]${own}.X, problem.dim)\ncost = float(problem.cost(X))`;
  }
  const plain = !problem.rates && problem.loss.name === "cross-entropy" && problem.loss.margin === "0" && !problem.loss.offsets;
  const given = [`class_sizes=${JSON.stringify(problem.class_sizes)}`, `dim=${problem.dim}`, `tau=${JSON.stringify(problem.exact_tau)}`];
  if (problem.labels) given.push(`labels=${JSON.stringify(problem.labels)}`);
  if (problem.weights) given.push(`weights=${JSON.stringify(problem.weights)}`);
  const made = plain ? `UFMProblem(${given.join(", ")})` : `UFMProblem.from_json(json.loads(${JSON.stringify(JSON.stringify(problem))}))`;
  return `import json\n\nimport numpy as np\nfrom sphereufm import UFMProblem, embed\n\nproblem = ${made}\n`
    + `X = embed(np.array(${literal(entry.point)}), problem.dim)\ncost = float(problem.cost(X))`;
};
const showProof = (cell, entry) => {
  put(cell, "h3", "Certificate");
  if (!entry.certificate && !entry.claims?.length) {
    put(cell, "p", "None: what this row says is numerical.");
    return;
  }
  const line = put(cell, "p", entry.certificate ? "File " : "Checked, and not kept in a file: run with --out. It claims:");
  if (entry.certificate) {
    const link = put(line, "a", entry.certificate);
    link.href = entry.certificate.split("/").map(encodeURIComponent).join("/");
    line.append(entry.claims?.length ? ", accepted by the independent checker. It claims:" : ": a folder, with one certificate for each member that is PROVED.");
  }
  const list = put(cell, "ul");
  for (const claim of entry.claims ?? []) put(list, "li", `${claim}: ${CLAIMS[claim] ?? ""}`);
};
const describePoint = (cell, entry, index, member) => {
  const X = entry.point;
  const order = entry.isotropy_order, copies = entry.permutation_copies;
  put(cell, "p", order == null ? "Isotropy: not counted."
    : `Isotropy: ${order} ${order === 1 ? "permutation of the columns acts" : "permutations of the columns act"} on this point as rotations; ${copies} ${copies === 1 ? "copy" : "copies"} of its orbit under the permutations.`);
  showProof(cell, entry);
  if (X.length === 2 || X.length === 3) {
    put(cell, "h3", X.length === 2 ? "Configuration on the circle" : "Configuration on the sphere");
    configuration(cell, X, columnNames(X), classes ?? X[0].map((_, j) => j), classes ? problem.classes : 0);
    if (X.length === 3) put(cell, "p", "Drag it, or use the arrow keys; Home turns it back. Faint marks lie behind.");
  }
  put(cell, "h3", "Hessian spectrum on the horizontal space (numerical)");
  showStrip(cell, [...entry.eigenvalues, ...(entry.normal_copies ? entry.normal_eigenvalues : [])]);
  put(cell, "pre", multiplied(entry.eigenvalues, 1), "spectrum");
  if (entry.normal_copies) {
    put(cell, "p", `In the ${entry.normal_copies} directions normal to the span:`);
    put(cell, "pre", multiplied(entry.normal_eigenvalues, entry.normal_copies), "spectrum");
  }
  showGram(cell, X);
  put(cell, "h3", "Rebuild it in Python");
  put(cell, "pre", rebuildLines(entry, index, member), "python");
};
const describeFamily = (cell, family, index) => {
  put(cell, "p", `A connected family of critical points; ${counted(family.members.length, "member")} of it ${family.members.length === 1 ? "is" : "are"} in the data.`);
  if (family.certificate) showProof(cell, family);
  family.members.slice(0, MOST_MEMBERS).forEach((member, k) => {
    const details = put(cell, "details");
    put(details, "summary", `Member ${k + 1}: rank ${member.rank}, Morse index ${member.morse_index}, ${member.status}`);
    details.addEventListener("toggle", () => describePoint(details, member, index, k), { once: true });
  });
  const rest = family.members.length - MOST_MEMBERS;
  if (rest > 0) put(cell, "p", `${rest} more members are in landscape.json.`);
};
const showFalls = (cell, index) => {
  const edges = data.connections?.edges ?? [];
  const list = (found, end) => found.map((edge) => `row ${edge[end] + 1} (${edge.descents})`).join(", ");
  const [down, up] = [edges.filter((edge) => edge.source === index), edges.filter((edge) => edge.target === index)];
  if (down.length) put(cell, "p", "Descents from here (numerical) reached " + list(down, "target") + ".");
  if (up.length) put(cell, "p", "Descents (numerical) reached it from " + list(up, "source") + ".");
};
describers.rows = (cell, index) => {
  const entry = data.critical[index];
  const cells = cellsOf(rowAt(String(index))).slice(1).map(([head, text]) => `${head} ${text}`);
  put(cell, "p", cells.join("; ") + ".", "values");
  showFalls(cell, index);
  if (entry.optimality_gap != null) put(cell, "p", `Optimality gap: at most ${entry.optimality_gap.toPrecision(4)}${unit} (numerical; ${entry.gap_method}).`);
  if (entry.members) describeFamily(cell, entry, index); else describePoint(cell, entry, index, null);
};
