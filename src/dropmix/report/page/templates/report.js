"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (selector) => document.querySelector(selector);
  const PAGE = 50;
  const WORDS = { degraded: "\u25BC degraded", improved: "\u25B2 improved", tied: "= tied" };
  const fixed = (v, d) => v === null || v === undefined ? "\u2013" : v.toFixed(d).replace("-", "\u2212");
  const signed = (v) => v === null || v === undefined ? "\u2013" : (v > 0 ? "+" : "") + fixed(v, 2);
  const arms = data.arms.map((arm) => {
    const columns = {};
    for (const [name, place] of Object.entries(arm.columns)) columns[name] = data.pool[place];
    return { title: arm.title, baseline: arm.baseline, each: arm.each, columns };
  });
  const state = { arm: 0, key: "change", down: false, find: "", kind: "", page: 0, whole: false };
  const COLUMNS = [
    ["class", () => "Class", (v) => v],
    ["n", () => "n", (v) => String(v)],
    ["base", (a) => a.baseline, (v) => fixed(v, 2)],
    ["treated", () => "this arm", (v) => fixed(v, 2)],
    ["change", () => "change", signed],
    ["se", () => "\u00B1 95 %", (v) => v === null ? "\u2013" : fixed(1.959964 * v, 2)],
    ["status", () => "status", (v) => WORDS[v] || v],
    ["p", () => "P(worse)", (v) => fixed(v, 3)],
    ["call", () => "call", (v) => v || "\u2013"],
    ["confidence_change", () => "confidence", signed],
    ["partner", () => "lost to", (v) => v || "\u2013"],
  ];
  const order = new Intl.Collator(undefined, { numeric: true });   // "class 9" before "class 10"
  const NAMES = new Set(["class", "partner"]);
  const WORDY = new Set(["status", "call"]);
  const look = (key) => NAMES.has(key) ? "name" : WORDY.has(key) ? "word" : "";
  const shown = () => COLUMNS.filter(([key]) => key in arms[state.arm].columns);

  function rows() {
    const c = arms[state.arm].columns;
    const wanted = state.find.trim().toLocaleLowerCase();
    const picked = [];
    for (let i = 0; i < c.class.length; i++) {
      if (state.kind && c.status[i] !== state.kind) continue;
      if (wanted && !c.class[i].toLocaleLowerCase().includes(wanted)) continue;
      picked.push(i);
    }
    const values = c[state.key] || c.change;
    const turn = state.down ? -1 : 1;
    picked.sort((i, j) => {
      const a = values[i], b = values[j];
      if (a === b) return i - j;
      if (a === null) return 1;           // what is unknown comes last in either order
      if (b === null) return -1;
      return turn * (typeof a === "string" ? order.compare(a, b) : a - b);
    });
    return picked;
  }

  function bar(value, limit) {
    const box = document.createElement("span");
    box.className = "bar";
    box.setAttribute("aria-hidden", "true");
    const fill = document.createElement("i");
    const width = Math.min(Math.abs(value) / limit, 1) * 50;
    fill.className = value < 0 ? "down" : "up";
    fill.style.width = width + "%";
    fill.style.left = (value < 0 ? 50 - width : 50) + "%";
    box.append(fill);
    return box;
  }

  function head() {
    const line = $(".classes thead tr");
    line.replaceChildren(...shown().map(([key, title]) => {
      const th = document.createElement("th");
      th.scope = "col";
      th.dataset.key = key;
      if (look(key)) th.className = "name";
      if (key === state.key) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title(arms[state.arm]);
      button.addEventListener("click", () => sort(key));
      th.append(button);
      return th;
    }));
  }

  function body() {
    const c = arms[state.arm].columns;
    const all = rows();
    const pages = state.whole ? 1 : Math.max(1, Math.ceil(all.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const part = state.whole ? all : all.slice(state.page * PAGE, (state.page + 1) * PAGE);
    const limit = Math.max(...c.change.map(Math.abs), 1e-9);
    $(".classes tbody").replaceChildren(...part.map((i) => {
      const tr = document.createElement("tr");
      tr.dataset.i = i;
      for (const [key, , text] of shown()) {
        const cell = document.createElement("td");
        const inner = document.createElement(NAMES.has(key) ? "bdi" : "span");
        inner.textContent = text(c[key][i]);
        cell.className = look(key);
        if (key === "status" && c.status[i] !== "tied") cell.classList.add(c.status[i] === "degraded" ? "down" : "up");
        if (key === "change") {
          inner.className = "number";
          cell.append(bar(c.change[i], limit));
        }
        cell.append(inner);
        tr.append(cell);
      }
      return tr;
    }));
    const found = all.length === c.class.length ? `${all.length} classes` : `${all.length} of ${c.class.length} classes`;
    $("#count").textContent = found;
    $("#where").textContent = `Page ${state.page + 1} of ${pages}`;
    $("#back").disabled = state.page === 0;
    $("#next").disabled = state.page >= pages - 1;
    $("#whole").textContent = state.whole ? "Show pages" : "Show all";
    $(".pager").hidden = all.length <= PAGE;
  }

  function sort(key) {
    state.down = key === state.key ? !state.down : false;
    state.key = key;
    state.page = 0;
    for (const th of document.querySelectorAll(".classes th")) {
      if (th.dataset.key === key) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    body();
  }

  function choose(arm) {
    state.arm = arm;
    state.page = 0;
    light(null);
    for (const section of document.querySelectorAll(".arm")) section.hidden = Number(section.dataset.arm) !== arm;
    if (!(state.key in arms[arm].columns)) { state.key = "change"; state.down = false; }
    $("#each").textContent = arms[arm].each === null ? "" : `${arms[arm].each} test examples a class.`;
    head();
    body();
  }

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
  $(".classes tbody").addEventListener("pointerover", (event) => {
    const tr = event.target.closest("tr");
    if (tr) light(Number(tr.dataset.i));
  });
  $(".classes tbody").addEventListener("pointerleave", () => light(null));
  $("#arm").addEventListener("change", (event) => choose(Number(event.target.value)));
  $("#find").addEventListener("input", (event) => { state.find = event.target.value; state.page = 0; body(); });
  $("#kind").addEventListener("change", (event) => { state.kind = event.target.value; state.page = 0; body(); });
  $("#back").addEventListener("click", () => { state.page--; body(); });
  $("#next").addEventListener("click", () => { state.page++; body(); });
  $("#whole").addEventListener("click", () => { state.whole = !state.whole; state.page = 0; body(); });
  $(".needs-script").hidden = false;
  $(".picker").hidden = arms.length < 2;
  $("#arm").value = "0";   // a browser may restore the choice of an earlier visit
  choose(0);
})();
