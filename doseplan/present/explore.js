"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const SYMBOL = ["", "H", "He", "Li", "Be", "B", "C"];
const OWN_CHARGE = { "1H": 1, "4He": 2, "12C": 6 };
// colours of Okabe and Ito; every line has its own dashes too
const CHARGE_LINE = { 1: ["#b36f00", "2 3"], 2: ["#0b7fc1", "7 3"], 3: ["#00795a", "7 3 2 3"], 4: ["#a6547f", "1 3"],
  5: ["#c24a00", "12 3"], 6: ["#004f80", ""] };
const LEVEL_LINE = { iso50: ["#ffffff", "8 5"], iso90: ["#ffffff", "2 4"], iso95: ["#ffffff", ""] };
const CONTOUR = { cord: ["#ffe600", ""], dura: ["#7fd4ff", "3 3"], target: ["#ff8ad0", "9 4"] };
const VIRIDIS = [[68, 1, 84], [72, 40, 120], [62, 73, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137],
  [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37]];
const DEPTH_END = 400;

// ?lang=ja at the end of the address wins over the browser's own language
const wished = new URLSearchParams(location.search).get("lang") || navigator.language || "en";
let language = wished.startsWith("ja") ? "ja" : "en";
let lesson = -1;
const solved = [false, false, false, false, false];

const $ = (id) => document.getElementById(id);
const say = (key, values = {}) => DATA.texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;
const number = (id) => Number($(id).value);

// ---- unpacking ----
const cache = new Map();
function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}
function values(part) {
  if (!cache.has(part)) {
    if (part.u8 !== undefined) cache.set(part, Float64Array.from(bytes(part.u8), (v) => (part.first || 0) + v * part.step));
    else {
      const view = new DataView(bytes(part.u16).buffer), out = new Float64Array(view.byteLength / 2);
      for (let i = 0; i < out.length; i++) out[i] = (part.first || 0) + view.getUint16(2 * i, true) * part.top / 65535;
      cache.set(part, out);
    }
  }
  return cache.get(part);
}
function at(x, xs, ys) {
  if (x <= xs[0]) return ys[0];
  for (let i = 1; i < xs.length; i++)
    if (x <= xs[i]) return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
  return 0;
}
const rows = (flat, count) => Array.from({ length: count }, (_, k) => flat.subarray(k * flat.length / count, (k + 1) * flat.length / count));

// ---- RBE-weighted dose of one fraction: the formulas and constants of doseplan.biology ----
function nirs(dose, zStar) {
  const c = DATA.formulas.nirs, effect = (c.alpha0 + c.beta * zStar + c.beta * dose) * dose;
  return c.factor * 2 * effect / (c.alpha_r + Math.sqrt(c.alpha_r ** 2 + 4 * c.beta * effect));
}
function lem(dose, linear, root) {
  const c = DATA.formulas.lem1, effect = linear * dose + (root * dose) ** 2;
  if (effect > c.transition_effect) return c.transition_dose + (effect - c.transition_effect) / c.slope;
  return 2 * effect / (c.alpha_x + Math.sqrt(c.alpha_x ** 2 + 4 * c.beta_x * effect));
}

// ---- charts ----
const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }[c]));
function ticks(low, high, about) {
  const raw = (high - low) / about, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw), found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) found.push(Math.abs(v) < 1e-12 ? 0 : v);
  return found;
}
const plain = (v) => Number(v.toPrecision(6)).toString();
function chart(id, { x, y, xLabel, yLabel, lines, marks = [], bands = [], bars = null, height = 210, said = "" }) {
  const svg = $(id), width = Math.max(280, Math.round(svg.parentElement.clientWidth || 640));
  const left = 56, right = 16, top = 8, bottom = 40;
  const px = (v) => left + (v - x[0]) / (x[1] - x[0]) * (width - left - right);
  const py = (v) => height - bottom - (v - y[0]) / (y[1] - y[0]) * (height - top - bottom);
  const f = (v) => v.toFixed(1);
  let out = `<defs><pattern id="${id}-hatch" width="7" height="7" patternTransform="rotate(45)" patternUnits="userSpaceOnUse">`
    + `<rect width="7" height="7" fill="#e3e3e3"/><line x1="0" y1="0" x2="0" y2="7" stroke="#9a9a9a" stroke-width="2"/></pattern>`
    + `<clipPath id="${id}-clip"><rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}"/></clipPath></defs>`;
  for (const band of bands) {
    const a = Math.max(px(band.from), left), b = Math.min(px(band.to), width - right);
    if (b > a) out += `<rect x="${f(a)}" y="${top}" width="${f(b - a)}" height="${height - top - bottom}" fill="${band.hatch ? `url(#${id}-hatch)` : "#e3e3e3"}"/>`;
  }
  for (const v of ticks(x[0], x[1], width / 80))
    out += `<line x1="${f(px(v))}" x2="${f(px(v))}" y1="${top}" y2="${height - bottom}" stroke="#ddd"/><text x="${f(px(v))}" y="${height - bottom + 15}" text-anchor="middle">${plain(v)}</text>`;
  for (const v of ticks(y[0], y[1], height / 45))
    out += `<line y1="${f(py(v))}" y2="${f(py(v))}" x1="${left}" x2="${width - right}" stroke="#ddd"/><text x="${left - 5}" y="${f(py(v) + 4)}" text-anchor="end">${plain(v)}</text>`;
  out += `<rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}" fill="none" stroke="#555"/>`;
  out += `<text x="${(left + width - right) / 2}" y="${height - 7}" text-anchor="middle">${escaped(xLabel)}</text>`;
  out += `<text transform="translate(13 ${(height - bottom + top) / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`;
  out += `<g clip-path="url(#${id}-clip)">`;
  if (bars) for (let i = 0; i < bars.x.length; i++)
    out += `<rect x="${f(px(bars.x[i]) - 1.2)}" width="2.4" y="${f(py(bars.y[i]))}" height="${f(py(0) - py(bars.y[i]))}" fill="#004f80"/>`;
  for (const line of lines) {
    let path = "", pen = false;
    for (let i = 0; i < line.x.length; i++) {
      if (Number.isNaN(line.y[i])) { pen = false; continue; }
      path += `${pen ? "L" : "M"}${f(px(line.x[i]))} ${f(py(line.y[i]))}`;
      pen = true;
    }
    out += `<path d="${path}" fill="none" stroke="${line.style[0]}" stroke-dasharray="${line.style[1]}" stroke-width="${line.wide || 2}"/>`;
  }
  for (const mark of marks)
    out += `<line x1="${f(px(mark.at))}" x2="${f(px(mark.at))}" y1="${top}" y2="${height - bottom}" stroke="${mark.style[0]}" stroke-dasharray="${mark.style[1]}" stroke-width="1.5"/>`;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", said);
  svg.innerHTML = out + "</g>";
}
function keys(id, list) {
  $(id).innerHTML = list.map(({ style, label, ground, hatch }) => "<li><svg viewBox='0 0 38 12' aria-hidden='true'>"
    + (ground ? `<rect width="38" height="12" fill="${ground}"/>` : "")
    + (hatch ? `<rect width="38" height="12" fill="${hatch}"/>`
      : `<line x1="1" x2="37" y1="6" y2="6" stroke="${style[0]}" stroke-dasharray="${style[1]}" stroke-width="2.5"/>`)
    + `</svg>${escaped(label)}</li>`).join("");
}
// the number as it is, for whoever reads it from the page, and rounded with its unit for people
function tell(id, value, digits, unit) {
  const cell = $(id);
  cell.textContent = value === null ? "–" : `${value.toFixed(digits)}${unit ? " " + unit : ""}`;
  if (value === null) delete cell.dataset.value; else cell.dataset.value = value;
}
function label(id, text) { $(`${id}-out`).textContent = text; $(id).setAttribute("aria-valuetext", text); }

// ---- 1. one ion beam ----
function slab() {
  const name = chosen("slab");
  return name ? { from: number("place"), thick: number("thickness"), ratio: DATA.slabs[name] } : { from: 0, thick: 0, ratio: 1 };
}
// depth in the stack of water, slab and water, from water-equivalent depth, and back
function depthOf(water, s) {
  if (water <= s.from) return water;
  return water <= s.from + s.thick * s.ratio ? s.from + (water - s.from) / s.ratio : water - s.thick * (s.ratio - 1);
}
function waterOf(depth, s) {
  if (depth <= s.from) return depth;
  return depth <= s.from + s.thick ? s.from + (depth - s.from) * s.ratio : depth + s.thick * (s.ratio - 1);
}
function beamState() {
  const ion = chosen("ion"), beam = DATA.beams[ion][number("energy")], s = slab();
  const water = values(beam.depth), count = OWN_CHARGE[ion];
  return { ion, beam, s, water, count, depth: Array.from(water, (w) => depthOf(w, s)),
    byCharge: rows(values(beam.idd_by_charge), count), fluence: rows(values(beam.fluence_by_charge), count),
    gray: number("entrance") / beam.entrance_idd };
}
function beamAt(state, depth) {
  const w = waterOf(depth, state.s), end = state.water[state.water.length - 1];
  if (w > end) return null;
  const each = state.byCharge.map((row) => at(w, state.water, row) * state.gray);
  const dose = each.reduce((a, b) => a + b, 0), let_d = at(w, state.water, values(state.beam.let_d));
  const z = at(w, state.water, values(state.beam.z_star));
  const clear = let_d > 0 && z > 0;
  const gye = clear ? nirs(dose, z) : null;
  const lem1 = clear ? lem(dose, at(w, state.water, values(state.beam.lem_linear)), at(w, state.water, values(state.beam.lem_root))) : null;
  return { dose, each, let_d: clear ? let_d : null, gye, lem1, fluence: state.fluence.map((row) => at(w, state.water, row)) };
}
function drawBeam() {
  const state = beamState(), { beam, s, depth, count } = state, own = OWN_CHARGE[state.ion];
  const total = Array.from(state.water, (_, i) => state.byCharge.reduce((sum, row) => sum + row[i], 0) * state.gray);
  const r80 = depthOf(beam.r80_mm, s), probe = number("probe"), here = beamAt(state, probe);
  label("energy", `${beam.energy} MeV/u`);
  label("entrance", `${number("entrance").toFixed(1)} Gy`);
  label("thickness", `${number("thickness")} mm`);
  label("place", `${number("place")} mm`);
  label("probe", `${probe.toFixed(1)} mm`);
  $("thickness").disabled = $("place").disabled = !s.thick;
  tell("peak-depth", depthOf(beam.peak_mm, s), 1, "mm");
  tell("r80", r80, 1, "mm");
  tell("shift", s.thick ? r80 - beam.r80_mm : 0, 1, "mm");
  tell("peak-ratio", beam.peak_to_entrance, 2, "");
  const bands = s.thick ? [{ from: s.from, to: s.from + s.thick, hatch: true }] : [];
  const marks = [{ at: r80, style: ["#1a1a1a", "2 3"] }, { at: probe, style: ["#c24a00", ""] }];
  const common = { x: [0, DEPTH_END], xLabel: say("axisDepth"), bands, marks };
  const lines = [], small = [], table = [];
  for (let charge = count; charge >= 1; charge--) {
    const y = Array.from(state.byCharge[charge - 1], (v) => v * state.gray);
    lines.push({ x: depth, y, style: CHARGE_LINE[charge], wide: 1.7 });
    if (charge !== own || count === 1) small.push({ x: depth, y, style: CHARGE_LINE[charge] });
    table.push(`<tr><th scope="row">${SYMBOL[charge]}</th><td class="number" id="share-${charge}"></td><td class="number" id="fluence-${charge}"></td></tr>`);
  }
  const top = 1.08 * Math.max(...total);
  chart("beam-dose", { ...common, y: [0, top], yLabel: say("axisDose"), height: 260,
    lines: [...lines, { x: depth, y: total, style: ["#1a1a1a", ""], wide: 2.6 }],
    said: `${say("figDose")}: ${say("r80")} ${r80.toFixed(1)} mm` });
  const keyList = [{ style: ["#1a1a1a", ""], label: say("all") }];
  for (let charge = count; charge >= 1; charge--) keyList.push({ style: CHARGE_LINE[charge], label: SYMBOL[charge] });
  keyList.push({ style: ["#1a1a1a", "2 3"], label: say("keyRange") }, { style: ["#c24a00", ""], label: say("keyProbe") });
  if (s.thick) keyList.push({ hatch: "#c4c4c4", label: say("keySlab") });
  keys("beam-keys", keyList);
  $("beam-fragments").parentElement.hidden = count === 1;
  if (count > 1) chart("beam-fragments", { ...common, y: [0, 1.1 * Math.max(...small.flatMap((line) => line.y))], yLabel: say("axisDose"),
    lines: small, height: 170, said: say("figFragments") });
  const letD = Array.from(values(beam.let_d), (v) => v > 0 ? v : NaN);
  const gye = depth.map((_, i) => letD[i] > 0 ? nirs(total[i], values(beam.z_star)[i]) : NaN);
  const lem1 = depth.map((_, i) => letD[i] > 0 ? lem(total[i], values(beam.lem_linear)[i], values(beam.lem_root)[i]) : NaN);
  const highest = (list) => list.reduce((a, b) => b > a ? b : a, 0);
  chart("beam-let", { ...common, y: [0, 1.08 * highest(letD)], yLabel: say("axisLet"), height: 160,
    lines: [{ x: depth, y: letD, style: ["#00795a", ""] }], said: say("figLet") });
  chart("beam-rbe", { ...common, y: [0, 1.08 * Math.max(highest(gye), highest(lem1), highest(total))], yLabel: say("axisGye"), height: 200,
    lines: [{ x: depth, y: total, style: ["#004f80", "7 3"] }, { x: depth, y: gye, style: ["#c24a00", ""] }, { x: depth, y: lem1, style: ["#00795a", "7 3 2 3"] }],
    said: say("figRbe") });
  keys("rbe-keys", [{ style: ["#004f80", "7 3"], label: say("keyAbsorbed") }, { style: ["#c24a00", ""], label: say("keyNirs") },
    { style: ["#00795a", "7 3 2 3"], label: say("keyLem") }]);
  $("probe-title").textContent = `${say("probeTitle")} ${probe.toFixed(1)} mm${here ? "" : ": " + say("behind")}`;
  $("charges").innerHTML = table.join("");
  tell("probe-dose", here && here.dose, 3, "Gy");
  tell("probe-gye", here && here.gye, 3, "GyE");
  tell("probe-let", here && here.let_d, 1, "keV/µm");
  tell("probe-rbe", here && here.gye !== null ? here.gye / here.dose : null, 2, "");
  tell("probe-lem", here && here.lem1 !== null ? here.lem1 / here.dose : null, 2, "");
  for (let charge = count; charge >= 1; charge--) {
    tell(`share-${charge}`, here && here.dose > 0 ? 100 * here.each[charge - 1] / here.dose : null, 1, "%");
    tell(`fluence-${charge}`, here && here.fluence[charge - 1], 4, "");
  }
}
function energyStops() {
  const list = DATA.beams[chosen("ion")], slider = $("energy");
  const before = slider.dataset.energy ? Number(slider.dataset.energy) : 290;
  slider.min = 0; slider.max = list.length - 1; slider.step = 1;
  let best = 0;
  list.forEach((beam, i) => { if (Math.abs(beam.energy - before) < Math.abs(list[best].energy - before)) best = i; });
  slider.value = best;
}

// ---- 2. spread-out peak ----
function peakState() {
  return DATA.peaks.find((p) => p.distal_mm === DATA.peak_distal_mm[number("distal")] && p.width_mm === DATA.peak_width_mm[number("width")] && p.flat === chosen("flat"));
}
function drawPeak() {
  const peak = peakState(), depth = values(peak.depth), dose = values(peak.dose), gye = values(peak.dose_rbe);
  const letD = Array.from(values(peak.let_d), (v) => v > 0 ? v : NaN), weight = Array.from(values(peak.weight), (v) => 1000 * v);
  label("distal", `${peak.distal_mm} mm`);
  label("width", `${peak.width_mm} mm`);
  tell("flatness", peak.flatness_percent, 1, "%");
  tell("peak-r80", peak.r80_mm, 1, "mm");
  const ends = [peak.proximal_mm, peak.distal_mm];
  for (const [id, list, digits, unit] of [["dose-ends", dose, 2, "Gy"], ["gye-ends", gye, 2, "GyE"], ["let-ends", values(peak.let_d), 0, "keV/µm"]]) {
    const both = ends.map((d) => at(d, depth, list));
    $(id).textContent = `${both[0].toFixed(digits)}, ${both[1].toFixed(digits)} ${unit}`;
    $(id).dataset.values = JSON.stringify(both);
  }
  const common = { x: [0, 260], xLabel: say("axisDepth"), bands: [{ from: ends[0], to: ends[1] }] };
  chart("peak-dose", { ...common, y: [0, 1.08 * Math.max(...gye, ...dose)], yLabel: say("axisGye"), height: 250,
    lines: [{ x: depth, y: dose, style: ["#004f80", "7 3"] }, { x: depth, y: gye, style: ["#c24a00", ""] }], said: say("figPeak") });
  keys("peak-keys", [{ style: ["#004f80", "7 3"], label: say("keyAbsorbed") }, { style: ["#c24a00", ""], label: say("keyNirs") }]);
  chart("peak-let", { ...common, y: [0, 1.08 * letD.reduce((a, b) => b > a ? b : a, 0)], yLabel: say("axisLet"), height: 160,
    lines: [{ x: depth, y: letD, style: ["#00795a", ""] }], said: say("figLet") });
  const energies = values(peak.energies);
  chart("peak-weights", { x: [50, 350], y: [0, 1.08 * Math.max(...weight)], xLabel: say("axisEnergy"), yLabel: say("axisWeight"), height: 160,
    lines: [], bars: { x: energies, y: weight }, said: say("figWeights") });
}

// ---- 3. the spine ----
const spineIndex = () => [number("separation"), number("prescription"), number("range-error")];
function spineState([a, b, c] = spineIndex()) {
  const s = DATA.spine, index = (a * s.prescription.length + b) * s.range_error.length + c;
  return { s, index, total: s.prescription[b], separation: s.separation[a], error: s.range_error[c],
    metric: (name) => s.metrics[name][index], met: s.met[index] };
}
function separationText(mm) { return mm === null ? say("noSurgery") : mm === 0 ? say("decompressed") : `${mm} mm`; }
function drawSpine() {
  const state = spineState(), { s, metric, total } = state, [arm] = spineIndex();
  label("separation", separationText(state.separation));
  label("prescription", `${total} GyE`);
  label("range-error", `${state.error > 0 ? "+" : ""}${state.error} % (${say(state.error > 0 ? "rangeMore" : state.error < 0 ? "rangeLess" : "rangeNone")})`);
  const shown = [[metric("cord_max"), `< ${s.limit_gye} GyE`, "GyE", 2], [metric("target_max"), `≤ ${(1.1 * total).toFixed(1)} GyE`, "GyE", 2],
    [metric("target_min"), `≥ ${(0.9 * total).toFixed(1)} GyE`, "GyE", 2], [metric("target_v95_percent"), "≥ 95 %", "%", 1]];
  $("verdicts").innerHTML = shown.map(([value, bound, unit, digits], i) => `<tr><th scope="row">${escaped(say("verdict" + i))} ${bound}</th>`
    + `<td class="number" id="value-${i}" data-value="${value}">${value.toFixed(digits)} ${unit}</td>`
    + `<td class="verdict" id="met-${i}" data-met="${state.met[i]}">${say(i < 2 ? (state.met[i] ? "held" : "broken") : (state.met[i] ? "met" : "notMet"))}</td></tr>`).join("");
  const limits = state.met[0] && state.met[1], all = limits && state.met[2] && state.met[3];
  $("overall").innerHTML = `<strong>${say(all ? "allMet" : limits ? "limitsMet" : "limitBroken")}</strong>`;
  tell("cord-d003", metric("cord_d0_03cc"), 2, "GyE");
  tell("target-min", metric("target_min"), 2, "GyE");
  tell("target-d98", metric("target_d98"), 2, "GyE");
  tell("target-d95", metric("target_d95"), 2, "GyE");
  $("slice-caption").textContent = say("figSlice", { z: s.z_mm.toFixed(0) });
  drawSlice(state, arm);
  const level = Array.from({ length: s.levels }, (_, i) => i * s.level_step);
  const curve = (part) => values(part).subarray(state.index * s.levels, (state.index + 1) * s.levels);
  const cord = ["#1a1a1a", ""], target = ["#c24a00", "9 4"];
  const bounds = [{ at: s.limit_gye, style: ["#1a1a1a", "8 5"] }, { at: 0.9 * total, style: ["#c24a00", "2 4"] }, { at: 0.95 * total, style: ["#c24a00", ""] }];
  chart("dvh", { x: [0, 80], y: [0, 105], xLabel: say("axisSpineDose"), yLabel: say("axisVolume"), height: 300, marks: bounds,
    lines: [{ x: level, y: curve(s.dvh_cord), style: cord }, { x: level, y: curve(s.dvh_target), style: target }],
    said: `${say("figDvh")}: ${say("verdict0")} ${metric("cord_max").toFixed(1)} GyE, ${say("targetMin")} ${metric("target_min").toFixed(1)} GyE` });
  keys("dvh-keys", [{ style: cord, label: say("cord") }, { style: target, label: say("target") },
    { style: bounds[0].style, label: say("iso50") }, { style: bounds[1].style, label: say("iso90") }, { style: bounds[2].style, label: say("iso95") }]);
}
// line segments where a grid crosses a level
function crossings(grid, side, level) {
  const out = [];
  for (let j = 0; j < side - 1; j++) for (let i = 0; i < side - 1; i++) {
    const v = [grid[j * side + i], grid[j * side + i + 1], grid[(j + 1) * side + i + 1], grid[(j + 1) * side + i]];
    const place = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cut = [];
    for (let k = 0; k < 4; k++) {
      const p = v[k], q = v[(k + 1) % 4];
      if ((p < level) !== (q < level)) {
        const t = (level - p) / (q - p), [a, b] = [place[k], place[(k + 1) % 4]];
        cut.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
      }
    }
    for (let k = 0; k + 1 < cut.length; k += 2) out.push([cut[k], cut[k + 1]]);
  }
  return out;
}
// segments joined to long lines, so that dashes are seen
function joined(segments) {
  const key = (p) => `${p[0].toFixed(4)},${p[1].toFixed(4)}`, ends = new Map(), used = new Set(), lines = [];
  segments.forEach((segment, n) => segment.forEach((p) => { const k = key(p); if (!ends.has(k)) ends.set(k, []); ends.get(k).push(n); }));
  segments.forEach((segment, n) => {
    if (used.has(n)) return;
    used.add(n);
    const line = [...segment];
    for (const atEnd of [true, false]) for (;;) {
      const tip = atEnd ? line[line.length - 1] : line[0], more = (ends.get(key(tip)) || []).find((m) => !used.has(m));
      if (more === undefined) break;
      used.add(more);
      const [p, q] = segments[more], other = key(p) === key(tip) ? q : p;
      if (atEnd) line.push(other); else line.unshift(other);
    }
    lines.push(line);
  });
  return lines;
}
function picture(side, paint) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), image = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) image.data.set(paint(i), 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}
const contourCache = new Map();
function drawSlice(state, arm) {
  const { s, index, total } = state, canvas = $("slice"), size = canvas.width, context = canvas.getContext("2d");
  const ct = s.ct_side, side = s.dose_side, grid = ct * ct;
  const hu = values(s.hu).subarray(arm * grid, (arm + 1) * grid), dose = values(s.dose).subarray(index * side * side, (index + 1) * side * side);
  // [px per cell, px of the first cell's middle]: the picture reaches from the first to the last dose point
  const perMm = size / s.field_mm, ctGrid = [s.ct_step_mm * perMm, s.ct_first_mm[0] * perMm, s.ct_first_mm[1] * perMm];
  const doseGrid = [size / (side - 1), 0, 0];
  context.imageSmoothingEnabled = true;
  context.fillStyle = "#000";
  context.fillRect(0, 0, size, size);
  const lay = (image, [scale, x, y]) => context.drawImage(image, x - 0.5 * scale, y - 0.5 * scale, image.width * scale, image.height * scale);
  lay(picture(ct, (i) => { const g = 255 * (hu[i] + 250) / 850; return [g, g, g, 255]; }), ctGrid);
  lay(picture(side, (i) => {
    if (dose[i] < s.shown_from_gye) return [0, 0, 0, 0];
    const colour = VIRIDIS[Math.min(VIRIDIS.length - 1, Math.floor(dose[i] / (1.1 * total) * VIRIDIS.length))];
    return [...colour, 125];
  }), doseGrid);
  const stroke = (lines, [scale, left, top], [colour, dash], width) => {
    for (const [ink, w] of [["#000000", width + 2.5], [colour, width]]) {
      context.strokeStyle = ink; context.lineWidth = w;
      context.setLineDash(dash ? dash.split(" ").map((v) => 1.7 * Number(v)) : []);
      context.beginPath();
      for (const line of lines) line.forEach(([x, y], k) => k ? context.lineTo(left + x * scale, top + y * scale) : context.moveTo(left + x * scale, top + y * scale));
      context.stroke();
    }
  };
  const found = {};
  for (const [name, level] of [["iso50", s.limit_gye], ["iso90", 0.9 * total], ["iso95", 0.95 * total]]) {
    found[name] = joined(crossings(dose, side, level));
    stroke(found[name], doseGrid, LEVEL_LINE[name], 2.2);
  }
  for (const name of ["dura", "target", "cord"]) {
    const key = `${name}${arm}`;
    if (!contourCache.has(key)) contourCache.set(key, joined(crossings(values(s[name]).subarray(arm * grid, (arm + 1) * grid), ct, 0)));
    stroke(contourCache.get(key), ctGrid, CONTOUR[name], 3);
  }
  context.setLineDash([]);
  context.font = "bold 26px system-ui, sans-serif"; context.textAlign = "center"; context.textBaseline = "middle";
  for (const [text, x, y] of [["R", 22, size / 2], ["L", size - 22, size / 2], ["A", size / 2, 22], ["P", size / 2, size - 22]]) {
    context.strokeStyle = "#000"; context.lineWidth = 5; context.strokeText(text, x, y);
    context.fillStyle = "#fff"; context.fillText(text, x, y);
  }
  const bar = 20 * size / s.field_mm, y = size - 26;
  context.strokeStyle = "#000"; context.lineWidth = 8; context.beginPath(); context.moveTo(24, y); context.lineTo(24 + bar, y); context.stroke();
  context.strokeStyle = "#fff"; context.lineWidth = 4; context.beginPath(); context.moveTo(24, y); context.lineTo(24 + bar, y); context.stroke();
  context.font = "22px system-ui, sans-serif"; context.strokeStyle = "#000"; context.lineWidth = 4;
  context.strokeText("20 mm", 24 + bar / 2, y - 18); context.fillStyle = "#fff"; context.fillText("20 mm", 24 + bar / 2, y - 18);
  canvas.setAttribute("aria-label", `${$("slice-caption").textContent}; ${separationText(state.separation)}, ${total} GyE`);
  canvas.dataset.lines = JSON.stringify(Object.fromEntries(Object.entries(found).map(([k, v]) => [k, v.length])));
  keys("slice-keys", [...["cord", "dura", "target"].map((name) => ({ style: CONTOUR[name], label: say(name), ground: "#333" })),
    ...["iso50", "iso90", "iso95"].map((name) => ({ style: LEVEL_LINE[name], label: say(name), ground: "#333" })),
    { hatch: "#1f9e89", label: say("keyWash") }]);
}

// ---- lesson ----
function bestSeparation() {
  const b = DATA.spine.prescription.indexOf(DATA.lesson_total_gye), c = DATA.spine.range_error.indexOf(0);
  return DATA.spine.separation.findIndex((_, a) => spineState([a, b, c]).met.every(Boolean));
}
const QUESTIONS = [
  { place: "beam", check() {
    const { ion, beam, s } = beamState(), depth = depthOf(beam.peak_mm, s);
    return { right: ion === "12C" && !s.thick && Math.abs(depth - 150) <= 1.5, now: say("q1now", { ion: say("ion" + ion), value: depth.toFixed(1) }) };
  } },
  { place: "beam", check() {
    const { ion, beam, s } = beamState(), r80 = depthOf(beam.r80_mm, s);
    const bone = chosen("slab") === "cortical_bone" && s.thick === 30 && s.from === 40;
    return { right: ion === "12C" && bone && Math.abs(r80 - 150) <= 1.5,
      now: say("q2now", { value: r80.toFixed(1), slab: chosen("slab") === "cortical_bone" ? s.thick : 0, place: s.from }) };
  } },
  { place: "beam", check() {
    const state = beamState(), letD = values(state.beam.let_d), here = beamAt(state, number("probe"));
    let best = 0;
    letD.forEach((v, i) => { if (v > letD[best]) best = i; });
    return { right: state.ion === "12C" && Math.abs(number("probe") - state.depth[best]) <= 1, why: say("q3why"),
      now: say("q3now", { value: here && here.let_d ? here.let_d.toFixed(0) : "–", best: letD[best].toFixed(0) }) };
  } },
  { place: "peak", check() {
    const peak = peakState();
    return { right: peak.distal_mm === 150 && peak.width_mm === 60 && peak.flat === "rbe", why: say("q4why"),
      now: `${say(peak.flat === "rbe" ? "flatRbe" : "flatDose")}, ${say("q4now", { value: peak.proximal_mm.toFixed(0), slab: peak.distal_mm })}` };
  } },
  { place: "spine", check() {
    const state = spineState(), asked = state.total === DATA.lesson_total_gye && state.error === 0, [arm] = spineIndex();
    const met = state.met.every(Boolean), right = asked && met && arm === bestSeparation();
    return { right, why: say("q5why"), now: asked && met ? say("q5small")
      : say("q5now", { value: `${state.total} GyE, ${separationText(state.separation)}, ${$("overall").textContent}` }) };
  } },
];
function drawLesson() {
  const open = lesson >= 0;
  $("lesson").hidden = !open;
  document.body.toggleAttribute("data-lesson", open);
  $("teach").setAttribute("aria-expanded", String(open));
  if (!open) return;
  const { right, now, why } = QUESTIONS[lesson].check();
  if (right) solved[lesson] = true;
  $("question-number").textContent = say("lessonOf", { n: lesson + 1 });
  $("marks").textContent = solved.map((done) => done ? "✓" : "○").join("");
  $("question").textContent = say(`q${lesson + 1}`, { total: DATA.lesson_total_gye });
  const done = right && solved.every(Boolean);
  $("verdict").textContent = right ? `${say("right")} ${why || ""} ${done ? say("lessonDone") : ""}`.trim() : `${say("notYet")} ${now}`;
  $("verdict").dataset.right = right;
  $("previous").disabled = lesson === 0;
  $("next").disabled = lesson === QUESTIONS.length - 1;
}

// ---- everything together ----
let timing = 0;
function timed(draw) {
  const start = performance.now();
  draw();
  drawLesson();
  timing = performance.now() - start;
  document.body.dataset.stepMs = timing;
}
function translate() {
  document.documentElement.lang = language;
  document.querySelectorAll("[data-t]").forEach((node) => { node.textContent = say(node.dataset.t); });
  $("language").textContent = say("language");
  $("language").lang = language === "en" ? "ja" : "en";
  document.title = say("title");
  $("provenance").textContent = say("provenance", { version: DATA.version, commit: DATA.commit, digest: DATA.digest.slice(0, 12),
    bone: DATA.slabs.cortical_bone.toFixed(2), lung: DATA.slabs.lung.toFixed(2), metal: DATA.slabs.Ti6Al4V.toFixed(2) });
  document.querySelectorAll("[data-t=spineHonest]").forEach((node) => { node.textContent = say("spineHonest", { spots: DATA.spine.spots }); });
  $("assumptions").innerHTML = DATA.assumptions.map((line) => `<li lang="en">${escaped(line)}</li>`).join("");
  drawAll();
}
function drawAll() { drawBeam(); drawPeak(); drawSpine(); drawLesson(); }
function start() {
  $("distal").max = DATA.peak_distal_mm.length - 1;
  $("width").max = DATA.peak_width_mm.length - 1;
  $("distal").value = DATA.peak_distal_mm.indexOf(150);
  $("width").value = DATA.peak_width_mm.indexOf(40);
  $("separation").max = DATA.spine.separation.length - 1;
  $("separation").value = 0;
  $("prescription").max = DATA.spine.prescription.length - 1;
  $("prescription").value = DATA.spine.prescription.indexOf(DATA.lesson_total_gye);
  $("range-error").max = DATA.spine.range_error.length - 1;
  $("range-error").value = DATA.spine.range_error.indexOf(0);
  energyStops();
  for (const [id, draw] of [["beam", drawBeam], ["peak", drawPeak], ["spine", drawSpine]])
    $(id).addEventListener("input", (event) => {
      if (event.target.name === "ion") energyStops();
      if (event.target.id === "energy") event.target.dataset.energy = DATA.beams[chosen("ion")][number("energy")].energy;
      timed(draw);
    });
  $("language").addEventListener("click", () => { language = language === "en" ? "ja" : "en"; translate(); });
  $("teach").addEventListener("click", () => { lesson = lesson < 0 ? 0 : -1; drawLesson(); });
  $("end-lesson").addEventListener("click", () => { lesson = -1; drawLesson(); $("teach").focus(); });
  $("previous").addEventListener("click", () => { lesson -= 1; drawLesson(); });
  $("next").addEventListener("click", () => { lesson += 1; drawLesson(); });
  $("go").addEventListener("click", () => $(QUESTIONS[lesson].place).scrollIntoView());
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; drawAll(); } });
  translate();
  document.body.dataset.ready = "yes";
}
start();
