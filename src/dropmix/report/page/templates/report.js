"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (selector) => document.querySelector(selector);
  const PAGE = 50;
  const WORDS = { hurt: "\u2716 hurt", safe: "\u2714 safe", undecided: "? undecided" };
  const LOOKS = { hurt: "bad", safe: "good" };
  const fixed = (v, d) => v === null || v === undefined ? "\u2013" : v.toFixed(d).replace("-", "\u2212");
  const signed = (v) => v === null || v === undefined ? "\u2013" : (v > 0 ? "+" : "") + fixed(v, 2);
  const short = (v) => v === null || v === undefined ? "\u2013" : (v > 0 ? "+" : "") + fixed(v, 1);
  const span = (v, low, high) => v === null ? "\u2013" : `${short(v)} (${short(low)} to ${short(high)})`;
  const arms = data.arms.map((arm) => {
    const columns = {};
    for (const [name, place] of Object.entries(arm.columns)) columns[name] = data.pool[place];
    const evidence = arm.evidence && {
      level: arm.evidence.level, sides: arm.evidence.sides.map((i) => data.pool[i]), limits: data.pool[arm.evidence.limits],
    };
    return { ...arm, columns, evidence };
  });
  const state = { arm: 0, key: "change", down: false, find: "", kind: "", group: "", page: 0, whole: false, more: false, set: "all", ticked: new Set() };
  const COLUMNS = [
    ["class", () => "Class", (v) => v],
    ["superclass", () => "superclass", (v) => v || "\u2013"],
    ["decision", () => "decision", (v) => WORDS[v] || v],
    ["n", () => "test images", (v) => String(v)],
    ["train", () => "training images", (v) => v === null ? "\u2013" : String(v)],
    ["base", (a) => a.baseline, (v) => fixed(v, 1)],
    ["plain", () => "without DropMix", (v) => fixed(v, 1)],
    ["treated", (a) => a.plain ? "with DropMix" : "this arm", (v) => fixed(v, 1)],
    ["change", () => "change", signed],
    ["low", () => "these very images", (v, c, i) => `${short(v)} to ${short(c.high[i])}`],
    ["low_new", () => "new images", (v, c, i) => `${short(v)} to ${short(c.high_new[i])}`],
    ["precision", () => "precision", (v) => fixed(v, 1), true],
    ["precision_change", () => "its change", (v, c, i) => span(v, c.precision_low[i], c.precision_high[i]), true],
    ["f1", () => "F1", (v) => fixed(v, 1), true],
    ["f1_change", () => "its change", (v, c, i) => span(v, c.f1_low[i], c.f1_high[i]), true],
    ["broken", () => "right before, wrong now", (v) => fixed(v, 1), true],
    ["broken_again", (a) => `the same, two seeds of ${a.baseline}`, (v) => fixed(v, 1), true],
    ["partner", () => "lost to", (v) => v || "\u2013"],
  ];
  const order = new Intl.Collator(undefined, { numeric: true });   // "class 9" before "class 10"
  const NAMES = new Set(["class", "superclass", "partner"]);
  const WORDY = new Set(["decision"]);
  const look = (key) => NAMES.has(key) ? "name" : WORDY.has(key) ? "word" : "";
  const shown = () => COLUMNS.filter(([key, , , folded]) => key in arms[state.arm].columns && (state.more || !folded));

  function rows() {
    const c = arms[state.arm].columns;
    const wanted = state.find.trim().toLocaleLowerCase();
    const picked = [];
    for (let i = 0; i < c.class.length; i++) {
      if (state.kind === "protected" ? !c.protected[i] : state.kind && c.decision[i] !== state.kind) continue;
      if (state.group && c.superclass[i] !== state.group) continue;
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
    const tick = document.createElement("th");
    tick.scope = "col";
    tick.textContent = "ask";
    line.replaceChildren(tick, ...shown().map(([key, title]) => {
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
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = state.ticked.has(i);
      box.setAttribute("aria-label", `ask about ${c.class[i]}`);
      box.addEventListener("change", () => tick(i, box.checked));
      const first = document.createElement("td");
      first.append(box);
      tr.append(first);
      for (const [key, , text] of shown()) {
        const cell = document.createElement("td");
        const inner = document.createElement(NAMES.has(key) ? "bdi" : "span");
        inner.textContent = text(c[key][i], c, i);
        cell.className = look(key);
        if (key === "class" && c.protected && c.protected[i]) cell.classList.add("kept");
        if (key === "decision" && LOOKS[c.decision[i]]) cell.classList.add(LOOKS[c.decision[i]]);
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
    if (state.set === "shown") count(all);
  }

  // Guaranteed counts: the shortcuts of closed testing that dropmix.audit.inference.guaranteed has, line by line.
  const ascending = (values) => Float64Array.from(values).sort();
  function simes(p, chosen, level) {
    const all = ascending(p), m = all.length, picked = ascending(chosen.map((i) => p[i]));
    let low = 0, high = m;
    while (low < high) {
      const size = (low + high + 1) >> 1;
      let stands = true;
      for (let j = 1; j <= size && stands; j++) stands = size * all[m - size + j - 1] > j * level;
      if (stands) low = size; else high = size - 1;
    }
    let best = 0, significant = 0;
    for (let u = 1; u <= picked.length; u++) {
      while (significant < picked.length && low * picked[significant] <= u * level) significant++;
      best = Math.max(best, 1 - u + significant);
    }
    return best;
  }
  function fisher(p, chosen, limits) {
    const score = p.map((v) => -2 * Math.log(Math.max(v, 1e-300)));
    const inside = new Set(chosen);
    const picked = ascending(chosen.map((i) => score[i]));
    const others = score.filter((v, i) => !inside.has(i));
    const stands = (size) => {
      let total = 0;
      for (let i = 0; i < size; i++) total += picked[i];
      if (total < (size ? limits[size - 1] : 0)) return true;
      const rest = ascending([...picked.subarray(size), ...others]);
      for (let i = 0; i < rest.length; i++) {
        total += rest[i];
        if (total < limits[size + i]) return true;
      }
      return false;
    };
    let low = 0, high = picked.length;
    while (low < high) {
      const size = (low + high + 1) >> 1;
      if (stands(size)) low = size; else high = size - 1;
    }
    return picked.length - low;
  }
  function hurtAmong(evidence, chosen) {
    const [a, b, c, d] = evidence.sides, level = evidence.level / 2;
    const low = Math.max(simes(a, chosen, level), fisher(b, chosen, evidence.limits));
    return [low, chosen.length - Math.max(simes(c, chosen, level), fisher(d, chosen, evidence.limits))];
  }

  function chosenSet() {
    const c = arms[state.arm].columns;
    const all = c.class.map((_, i) => i);
    if (state.set === "protected") return all.filter((i) => c.protected[i]);
    if (state.set === "ticked") return all.filter((i) => state.ticked.has(i));
    return state.set === "shown" ? rows() : all;
  }

  function count(chosen) {
    const arm = arms[state.arm], n = chosen.length;
    $(".guarantee").hidden = !arm.evidence && arm.columns.class.length === arm.total;
    if (!arm.evidence) {
      $("#bound").textContent = "This page holds only some of the classes; in Python, Comparison.hurt_among counts any set of them.";
      return;
    }
    $("#words").textContent = "";
    if (!n) { $("#bound").textContent = "No class is chosen."; return; }
    const [low, high] = hurtAmong(arm.evidence, chosen);
    const picked = n === arm.total ? `all ${n} classes` : n === 1 ? "this class" : `these ${n} classes`;
    const range = low === high ? `Exactly ${low}` : low === 0 ? `At most ${high}` : high === n ? `At least ${low}` : `At least ${low} and at most ${high}`;
    $("#bound").textContent = low === 0 && high === n ? `Nothing is guaranteed about how many of ${picked} lost more than is tolerated.`
      : n === 1 ? `This class ${low ? "lost" : "did not lose"} more than is tolerated.`
        : `${range} of ${picked} lost more than is tolerated.`;
    const words = chosen.map((i) => arm.columns.decision ? arm.columns.decision[i] : "");
    const each = ["hurt", "safe", "undecided", "too few examples"].map((word) => [words.filter((w) => w === word).length, word]);
    const mean = chosen.reduce((sum, i) => sum + arm.columns.change[i], 0) / n;
    $("#words").textContent = `Decided one by one: ${each.filter(([count]) => count).map(([count, word]) => `${count} ${word}`).join(", ")}. `
      + `Mean change ${signed(mean)} points.`;
    $("#bound").dataset.range = `${low} ${high}`;
  }

  function sets() {
    const c = arms[state.arm].columns;
    const options = [["all", "all classes"]];
    if (c.protected) options.push(["protected", "the protected classes"]);
    options.push(["shown", state.group ? `${state.group}, as listed below` : "the classes listed below"], ["ticked", `the ${state.ticked.size} ticked classes`]);
    if (!options.some(([value]) => value === state.set)) state.set = "all";
    $("#set").replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === state.set)));
    $("#untick").hidden = state.ticked.size === 0;
  }

  // One button per superclass with two classes or more: a click lists its classes and asks about them.
  function groups() {
    const c = arms[state.arm].columns, sizes = new Map();
    for (const name of c.superclass || []) if (name !== null) sizes.set(name, (sizes.get(name) || 0) + 1);
    const several = [...sizes].filter(([, size]) => size > 1).sort((a, b) => b[1] - a[1] || order.compare(a[0], b[0]));
    if (!sizes.has(state.group)) state.group = "";
    $(".groups").hidden = !several.length;
    $("#groups").replaceChildren(...several.map(([name, size]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.group = name;
      const word = document.createElement("bdi");
      word.textContent = name;
      button.append(word, ` ${size}`);
      button.addEventListener("click", () => group(state.group === name ? "" : name));
      return button;
    }));
    press();
  }

  function press() {
    for (const button of document.querySelectorAll("#groups button")) {
      button.setAttribute("aria-pressed", String(button.dataset.group === state.group));
    }
  }

  function group(name) {
    state.group = name;
    state.set = name ? "shown" : "all";
    state.page = 0;
    press();
    sets();
    body();
    if (!name) count(chosenSet());
  }

  function tick(i, on) {
    if (on) state.ticked.add(i); else state.ticked.delete(i);
    state.set = state.ticked.size ? "ticked" : "all";
    sets();
    count(chosenSet());
  }

  function kinds() {
    const c = arms[state.arm].columns;
    const found = ["hurt", "undecided", "safe", "too few examples"].filter((kind) => (c.decision || []).includes(kind));
    if (c.protected) found.unshift("protected");
    if (!found.includes(state.kind)) state.kind = "";
    $("#kind").replaceChildren(new Option("all", ""), ...found.map((kind) => new Option(kind, kind, false, kind === state.kind)));
  }

  function unfold() {
    const has = "f1" in arms[state.arm].columns;
    for (const part of document.querySelectorAll(".more")) part.hidden = !has;
    $("#fold").hidden = !has || !state.more;
    if (!shown().some(([key]) => key === state.key)) { state.key = "change"; state.down = false; }
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
    $("#each").textContent = arms[arm].each === null ? "" : `${arms[arm].each} test images per class.`;
    const held = arms[arm].columns.class.length;
    $("#kept").textContent = held === arms[arm].total ? ""
      : `The page holds ${held} of ${arms[arm].total} classes: protected, hurt, and those that fell most; classes.csv holds all.`;
    state.ticked.clear();
    unfold();
    kinds();
    groups();
    sets();
    count(chosenSet());
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
  $("#more").addEventListener("change", (event) => { state.more = event.target.checked; unfold(); head(); body(); });
  $("#kind").addEventListener("change", (event) => { state.kind = event.target.value; state.page = 0; body(); });
  $("#set").addEventListener("change", (event) => { state.set = event.target.value; count(chosenSet()); });
  $("#untick").addEventListener("click", () => {
    state.ticked.clear();
    for (const box of document.querySelectorAll(".classes input:checked")) box.checked = false;
    tick(-1, false);
  });
  for (const link of document.querySelectorAll("a.go")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      $("#arm").value = link.hash.slice(5);
      choose(Number(link.hash.slice(5)));
      $(".picker").scrollIntoView();
    });
  }
  $("#back").addEventListener("click", () => { state.page--; body(); });
  $("#next").addEventListener("click", () => { state.page++; body(); });
  $("#whole").addEventListener("click", () => { state.whole = !state.whole; state.page = 0; body(); });
  $(".needs-script").hidden = false;
  $(".picker").hidden = arms.length < 2;
  $("#more").checked = false;
  $("#arm").value = "0";   // a browser may restore the choice of an earlier visit
  choose(0);
})();
