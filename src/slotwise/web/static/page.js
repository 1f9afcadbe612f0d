"use strict";
// Reads /api/now and /api/history; text enters the page as text, never as markup.
const $ = (id) => document.getElementById(id);
let chart = null, failures = 0;

function element(name, text, cls) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (cls) made.className = cls;
  return made;
}
function row(cells) {
  const made = element("tr");
  for (const [text, cls] of cells) made.append(element("td", text, cls));
  return made;
}
function duration(seconds) {
  if (seconds < 90) return Math.round(seconds) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  return seconds < 172800 ? Math.round(seconds / 3600) + " h" : Math.round(seconds / 86400) + " days";
}
function status(text, bad) { $("status").textContent = text; $("status").className = bad ? "bad" : ""; }

function showNow(now) {
  if (now.state === "stale") { status("stale: " + now.reason, true); clear(); return; }
  $("host").textContent = now.host;
  status(now.state === "blind" ? "blind: " + now.reason : "seen " + new Date(now.at * 1000).toLocaleTimeString(), now.state === "blind");
  const known = now.used !== null && now.usable > 0;
  $("used").textContent = now.used === null ? "unknown" : now.used;
  $("usable").textContent = now.usable === null ? "unknown" : now.usable;
  const ratio = known ? now.used / now.usable : 0;
  $("fill").style.width = Math.min(100, ratio * 100) + "%";
  $("fill").className = ratio >= 0.95 ? "bad" : ratio >= 0.8 ? "warn" : "";
  $("limits").textContent = known ? Math.round(ratio * 100) + " % used · max_connections " + now.max_connections + ", " + now.reserved + " of them reserved · the line is at 80 %" : "";
  $("forecast").textContent = forecastWords(now);
  $("leaking").replaceChildren(...leakItems(now));
  $("states").replaceChildren(...Object.entries(now.states).sort((a, b) => b[1] - a[1]).map(([s, n]) => element("li", n + " " + s)));
  $("holders").replaceChildren(...now.holders.map((h) => row([
    [h.role + (h.pid === null ? "" : " " + h.pid)], [h.database ?? ""], [h.count, "n"],
    [h.grown === null ? "" : h.grown > 0 ? "+" + h.grown : h.grown, h.grown > 0 ? "n grown" : "n"]])));
  $("pools-section").hidden = now.pools.length === 0;
  $("pools").replaceChildren(...now.pools.map((p) => row([[p.database], [p.user], [p.clients, "n"], [p.waiting, p.waiting ? "n grown" : "n"], [p.servers, "n"], [p.maxwait_seconds.toFixed(1) + " s", "n"]])));
  $("judged").textContent = judgedWords(now);
  $("findings").replaceChildren(...findingItems(now));
}
// Findings are judged less often than slots are counted: what they count is of that moment.
function judgedWords(now) {
  if (now.judged_at === null) return "";
  const seen = now.judged_used === null ? "" : ", when " + now.judged_used + (now.judged_used === 1 ? " slot was" : " slots were") + " taken";
  return "Judged at " + new Date(now.judged_at * 1000).toLocaleTimeString() + seen + ".";
}
function clear() {
  for (const id of ["used", "usable"]) $(id).textContent = "unknown";
  for (const id of ["limits", "forecast", "judged"]) $(id).textContent = "";
  for (const id of ["leaking", "states", "holders", "findings", "pools"]) $(id).replaceChildren();
  $("fill").style.width = "0";
}
function forecastWords(now) {
  const f = now.forecast;
  if (now.used !== null && now.usable !== null && now.used >= now.usable) return "The last slot is gone.";
  if (!f || f.trend === "unknown") return "Forecast: too little history yet.";
  if (f.trend !== "growing") return "Forecast: no trend (" + f.reason + ").";
  const at = new Date((now.at + f.eta_seconds) * 1000).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" });
  return "Forecast: the last slot goes in " + duration(f.eta_seconds) + ", at " + at + " (" + f.slope_per_hour.toFixed(1) + " an hour, " + f.certainty + ": " + f.reason + ").";
}
function clockTime(at) {
  const near = at * 1000 - Date.now() < 43200000;
  return new Date(at * 1000).toLocaleString([], near ? { hour: "2-digit", minute: "2-digit" } : { weekday: "short", hour: "2-digit", minute: "2-digit" });
}
function leakItems(now) {
  if (now.leaking === null) return [element("li", "Whether a process leaks is not known before an hour was watched.", "quiet")];
  return now.leaking.map((one) => {
    const at = one.last_slot_at === null ? "" : "; at this rate the last slot goes at " + clockTime(one.last_slot_at);
    const item = element("li", null, "warning");
    item.append(element("strong", one.name), " grows by " + one.per_hour.toFixed(1) + " connections/h" + at + ".",
      element("br"), one.reason + ".", element("br"), "do: find what it keeps open with `slotwise scan`; restarting that process frees its slots for a while.");
    return item;
  });
}
function findingItems(now) {
  const items = now.findings.map((f) => {
    const item = element("li", null, f.severity);
    item.append(element("strong", f.severity + " " + f.id), " " + f.message);
    if (f.fix) item.append(element("br"), "do: " + f.fix);
    item.append(element("br"), element("code", "slotwise explain " + f.id));
    return item;
  });
  if (!items.length) items.push(element("li", "Nothing that slotwise could judge is wrong."));
  if (now.unknown) items.push(element("li", now.unknown + " rules could not judge: `slotwise doctor` says what they miss.", "quiet"));
  return items;
}
function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
function showHistory(history) {
  $("chart-words").textContent = history.trouble ?? words(history);
  const data = [history.at, history.used, history.usable];
  const width = Math.max(200, $("chart").clientWidth);
  if (chart) { chart.setData(data); if (chart.width !== width) chart.setSize({ width, height: 240 }); return; }
  const axis = { stroke: colour("--ink"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { stroke: colour("--edge"), width: 1 } };
  chart = new uPlot({ width, height: 240, cursor: { drag: { setScale: false } }, scales: { y: { range: (u, low, high) => [0, Math.max(10, (high ?? 10) * 1.05)] } },
    axes: [{ ...axis, space: 90, values: clockTimes }, axis], series: [{}, { label: "taken", stroke: colour("--line"), width: 2, spanGaps: false }, { label: "usable", stroke: colour("--bad"), width: 1, dash: [6, 4], points: { show: false } }] }, data, $("chart"));
}
// One line a tick, in the reader's own way of writing time: seconds within minutes, the day beyond one.
function clockTimes(u, ticks) {
  const span = ticks.length > 1 ? ticks[ticks.length - 1] - ticks[0] : 0;
  const time = { hour: "2-digit", minute: "2-digit", ...(span < 600 && { second: "2-digit" }) };
  const shown = span > 86400 ? { month: "short", day: "numeric", ...(span < 4 * 86400 && { hour: "2-digit" }) } : time;
  return ticks.map((t) => new Date(t * 1000).toLocaleString([], shown));
}
function words(history) {
  const known = history.used.filter((n) => n !== null);
  if (!known.length) return "No round was kept in this time.";
  return "Between " + Math.min(...known) + " and " + Math.max(...known) + " slots taken; " + known.length + " points, gaps stay gaps.";
}
async function read(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error("HTTP " + answer.status);
  return answer.json();
}
async function update(which, show) {
  try { show(await read(which)); failures = 0; }
  catch (error) { failures += 1; clear(); status("no answer from slotwise (" + error.message + "), asking again", true); }
}
const history = () => update("api/history?hours=" + $("hours").value, showHistory);
async function live() { await update("api/now", showNow); setTimeout(live, Math.min(30000, 5000 * (1 + failures))); }
async function past() { await history(); setTimeout(past, 15000); }
$("hours").addEventListener("change", history);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (chart) { chart.destroy(); chart = null; history(); } });
addEventListener("resize", () => { if (chart) chart.setSize({ width: Math.max(200, $("chart").clientWidth), height: 240 }); });
live(); past();
