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
