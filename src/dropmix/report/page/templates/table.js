// The class table: which rows, in which order, and how they look.
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
      cell.dataset.key = key;
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
  const found = all.length === c.class.length ? `${all.length} ${data.rows}` : `${all.length} of ${c.class.length} ${data.rows}`;
  $("#count").textContent = found;
  $("#where").textContent = `Page ${state.page + 1} of ${pages}`;
  $("#back").disabled = state.page === 0;
  $("#next").disabled = state.page >= pages - 1;
  $("#whole").textContent = state.whole ? "Show pages" : "Show all";
  $(".pager").hidden = all.length <= PAGE;
  if (state.set === "shown") count(all);
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
