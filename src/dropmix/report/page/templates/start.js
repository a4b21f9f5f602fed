// One arm at a time; what buttons and fields do.
function choose(arm) {
  state.arm = arm;
  state.page = 0;
  light(null);
  for (const section of document.querySelectorAll(".arm")) section.hidden = Number(section.dataset.arm) !== arm;
  if (!(state.key in arms[arm].columns)) { state.key = "change"; state.down = false; }
  $("#each").textContent = arms[arm].each === null ? "" : `${arms[arm].each} test examples per ${data.rows === "classes" ? "class" : "measure"}.`;
  const held = arms[arm].columns.class.length;
  $("#kept").textContent = held === arms[arm].total ? ""
    : `The page holds ${held} of ${arms[arm].total} ${data.rows}: protected, hurt, and those that fell most. classes.csv holds all; in Python, hurt_among says how many of any set are hurt.`;
  $("table.classes").classList.toggle("unasked", !arms[arm].evidence);
  state.ticked.clear();
  unfold();
  kinds();
  groups();
  sets();
  count(chosenSet());
  head();
  body();
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
$("#arm").value = String(data.first);   // a browser may restore the choice of an earlier visit
choose(data.first);
