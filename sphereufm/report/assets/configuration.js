// The columns of a point on the circle (two rows) or the sphere (three rows, which drags and arrow keys turn).
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#999999"];
const SIZE = 280, RADIUS = 100;
const draw = (parent, tag, attributes) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
};
const multiply = (A, B) => A.map((row) => B[0].map((_, j) => row.reduce((sum, a, k) => sum + a * B[k][j], 0)));
const turnBy = (across, down) => {
  const [c, s, C, S] = [Math.cos(across), Math.sin(across), Math.cos(down), Math.sin(down)];
  return multiply([[1, 0, 0], [0, C, -S], [0, S, C]], [[c, 0, s], [0, 1, 0], [-s, 0, c]]);
};
// columns at one place share a mark: their names are listed together
const places = (X, names) => {
  const found = [];
  X[0].forEach((_, j) => {
    const x = [X[0][j], X[1][j], X.length > 2 ? X[2][j] : 0];
    const there = found.find((place) => place.x.every((value, i) => Math.abs(value - x[i]) < 1e-6));
    if (there) there.columns.push(j); else found.push({ x, columns: [j] });
  });
  return found.map((place) => ({ ...place, label: place.columns.slice(0, 3).map((j) => names[j]).join(" ")
    + (place.columns.length > 3 ? " +" + (place.columns.length - 3) : "") }));
};
const circles = () => {
  const steps = [...Array(49).keys()].map((k) => k * Math.PI / 24);
  const ring = (place) => steps.map((t) => place(Math.cos(t), Math.sin(t)));
  return [ring((c, s) => [c, 0, s]), ring((c, s) => [c, s, 0]), ring((c, s) => [0, c, s])];
};
// `classes` says the class of each column, `classifiers` how many of the first columns are classifiers
const configuration = (parent, X, names, classes, classifiers) => {
  const round = X.length === 3;
  const svg = draw(parent, "svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, class: "configuration", role: "img",
    "aria-label": round ? "Columns on the sphere; arrow keys or dragging turn it, Home turns it back" : "Columns on the circle" });
  const marks = places(X, names);
  const rings = round ? circles() : [];
  let R = round ? turnBy(0.5, 0.4) : [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const centre = SIZE / 2;
  const seen = (x) => R.map((row) => row[0] * x[0] + row[1] * x[1] + row[2] * x[2]);
  const paint = () => {
    svg.replaceChildren();
    draw(svg, "circle", { cx: centre, cy: centre, r: RADIUS, class: "frame" });
    for (const ring of rings) {
      const d = ring.map(seen).map(([x, y], k) => `${k ? "L" : "M"}${centre + RADIUS * x} ${centre - RADIUS * y}`).join("");
      draw(svg, "path", { d, class: "frame" });
    }
    const turned = marks.map((mark) => ({ ...mark, at: seen(mark.x) })).sort((a, b) => a.at[2] - b.at[2]);
    for (const { at: [x, y, z], columns, label } of turned) {
      const [cx, cy] = [centre + RADIUS * x, centre - RADIUS * y];
      const colour = COLOURS[classes[columns[0]] % COLOURS.length];
      const group = draw(svg, "g", { opacity: round && z < -0.01 ? 0.4 : 1, class: "place" });
      draw(group, "title", {}).textContent = columns.map((j) => names[j]).join(", ");
      if (columns[0] < classifiers) draw(group, "line", { x1: centre, y1: centre, x2: cx, y2: cy, stroke: colour, "stroke-width": 2 });
      draw(group, "circle", { cx, cy, r: columns[0] < classifiers ? 6 : 4, fill: colour });
      draw(group, "text", { x: centre + 1.16 * RADIUS * x, y: centre - 1.12 * RADIUS * y + 4 }).textContent = label;
    }
  };
  paint();
  if (!round) return svg;
  const turn = (across, down) => { R = multiply(turnBy(across, down), R); paint(); };
  svg.setAttribute("tabindex", "0");
  const keys = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Home") { R = turnBy(0.5, 0.4); paint(); }
    else if (keys[event.key]) turn(...keys[event.key]);
    else return;
    event.preventDefault();
  });
  let last = null;
  svg.addEventListener("pointerdown", (event) => { last = event; });
  addEventListener("pointermove", (event) => {
    if (!last) return;
    turn((event.clientX - last.clientX) / 100, (event.clientY - last.clientY) / 100);
    last = event;
  });
  addEventListener("pointerup", () => { last = null; });
  return svg;
};
