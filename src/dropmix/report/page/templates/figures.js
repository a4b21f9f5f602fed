// A figure tells where a class lies: place = offset + slope * value, along x and y.
const spot = (axis, c, i) => {
  const v = axis[0] in c ? c[axis[0]][i] : null;
  return v === null ? null : axis[1] + axis[2] * v;
};
const figures = [...document.querySelectorAll("svg[data-marks]")].map((svg) => {
  const section = svg.closest(".arm");
  return { svg, arm: section ? Number(section.dataset.arm) : 0, marks: JSON.parse(svg.dataset.marks) };
});
let lit = null;

function light(i) {
  if (i === lit) return;
  lit = i;
  for (const ring of document.querySelectorAll(".ring, .halo")) ring.remove();
  for (const tr of document.querySelectorAll(".classes tbody tr")) tr.classList.toggle("lit", Number(tr.dataset.i) === i);
  if (i === null) return;
  const c = arms[state.arm].columns;
  for (const f of figures) {
    if (f.arm !== state.arm) continue;
    for (const mark of f.marks) {
      const x = spot(mark.x, c, i), y = spot(mark.y, c, i);
      if (x === null || y === null) continue;
      for (const kind of ["halo", "ring"]) {
        const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
        circle.setAttribute("cx", x);
        circle.setAttribute("cy", y);
        circle.setAttribute("r", 6);
        circle.setAttribute("class", kind);
        f.svg.append(circle);
      }
    }
  }
}

function nearest(f, x, y) {
  const c = arms[f.arm].columns;
  let best = null, least = Infinity;
  for (const mark of f.marks) {
    const bars = mark.x[0] === "rank";
    for (let i = 0; i < c.class.length; i++) {
      const a = spot(mark.x, c, i), b = spot(mark.y, c, i);
      if (a === null || b === null) continue;
      const away = bars ? Math.abs(a - x) : Math.hypot(a - x, b - y);
      if (away < least) { least = away; best = i; }
    }
  }
  return least <= 14 ? best : null;
}

const tip = $(".tip");
function tell(i, event) {
  tip.hidden = i === null;
  if (i === null) return;
  const arm = arms[state.arm], c = arm.columns;
  tip.textContent = `${c.class[i]}: ${fixed(c.base[i], 2)} \u2192 ${fixed(c.treated[i], 2)} % (${signed(c.change[i])})`;
  const width = tip.offsetWidth, height = tip.offsetHeight;
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8)) + "px";
  tip.style.top = Math.max(4, event.clientY - height - 12) + "px";
}

for (const f of figures) {
  f.svg.addEventListener("pointermove", (event) => {
    const matrix = f.svg.getScreenCTM();
    if (!matrix) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const i = nearest(f, at.x, at.y);
    light(i);
    tell(i, event);
  });
  f.svg.addEventListener("pointerleave", () => { light(null); tip.hidden = true; });
}
