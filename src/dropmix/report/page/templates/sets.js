// The set of classes that a reader asks about, and how many of it are hurt.
function chosenSet() {
  const c = arms[state.arm].columns;
  const all = c.class.map((_, i) => i);
  if (state.set === "protected") return all.filter((i) => c.protected[i]);
  if (state.set === "ticked") return all.filter((i) => state.ticked.has(i));
  return state.set === "shown" ? rows() : all;
}

function count(chosen) {
  const arm = arms[state.arm], n = chosen.length;
  $(".guarantee").hidden = !arm.evidence;
  if (!arm.evidence) return;
  $("#words").textContent = "";
  if (!n) { $("#bound").textContent = "No class is chosen."; return; }
  const [low, high] = hurtAmong(arm.evidence, chosen);
  const picked = n === arm.total ? `all ${n} ${data.rows}` : n === 1 ? "this one" : `these ${n} ${data.rows}`;
  const range = low === high ? `Exactly ${low}` : low === 0 ? `At most ${high}` : high === n ? `At least ${low}` : `At least ${low} and at most ${high}`;
  $("#bound").textContent = low === 0 && high === n ? `Nothing is guaranteed about how many of ${picked} lost more than is tolerated.`
    : n === 1 ? `This one ${low ? "lost" : "did not lose"} more than is tolerated.`
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
  const options = [["all", `all ${data.rows}`]];
  if (c.protected) options.push(["protected", `the protected ${data.rows}`]);
  options.push(["shown", state.group ? `${state.group}, as listed below` : `the ${data.rows} listed below`], ["ticked", `the ${state.ticked.size} ticked ${data.rows}`]);
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
