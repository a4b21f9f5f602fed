// What the page holds and shows: the arms' data, the reader's choices, the columns of the class table.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector) => document.querySelector(selector);
const PAGE = 50;
const WORDS = { hurt: "\u2716 hurt", safe: "\u2714 safe", undecided: "? undecided" };
const LOOKS = { hurt: "bad", safe: "good" };
const fixed = (v, d) => v === null || v === undefined ? "\u2013" : v.toFixed(d).replace("-", "\u2212");
const signed = (v) => v === null || v === undefined ? "\u2013" : Math.abs(v) < 0.005 ? "0.00" : (v > 0 ? "+" : "") + fixed(v, 2);
const span = (v, low, high) => v === null ? "\u2013" : `${signed(v)} (${signed(low)} to ${signed(high)})`;
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
  ["class", () => data.rows === "classes" ? "Class" : "Measure", (v) => v],
  ["superclass", () => "superclass", (v) => v || "\u2013"],
  ["decision", () => "decision", (v) => WORDS[v] || v],
  ["n", () => "test examples", (v) => String(v)],
  ["groups", () => "groups", (v) => String(v)],
  ["train", () => "training examples", (v) => v === null ? "\u2013" : String(v)],
  ["base", (a) => a.baseline, (v) => fixed(v, 2)],
  ["plain", () => "without DropMix", (v) => fixed(v, 2)],
  ["treated", (a) => a.plain ? "with DropMix" : "this arm", (v) => fixed(v, 2)],
  ["change", () => "change", signed],
  ["low", () => "these very examples", (v, c, i) => `${signed(v)} to ${signed(c.high[i])}`],
  ["low_new", () => "new examples", (v, c, i) => `${signed(v)} to ${signed(c.high_new[i])}`],
  ["precision", () => "precision", (v) => fixed(v, 2), true],
  ["precision_change", () => "its change", (v, c, i) => span(v, c.precision_low[i], c.precision_high[i]), true],
  ["f1", () => "F1", (v) => fixed(v, 2), true],
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
