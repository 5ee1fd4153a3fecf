// Importing a seating plan: a file is dropped or chosen, every fault is named, and
// a good plan is shown as its map.

import { el, toast, waiting } from "../dom.js";
import { ask } from "../api.js";
import { many, count } from "../format.js";
import { Seats } from "../map/seats.js";
import { SeatMap } from "../map/map.js";
import { tools } from "../map/legend.js";

const KEPT = "seatlock.plans";
const MOST_KEPT = 20;
const MOST_BYTES = 8 << 20;

/** Plans that were imported in this browser: `{plan_id, name, tiers}`, the newest first. */
export function imported() {
  try { return JSON.parse(localStorage.getItem(KEPT)) || []; } catch { return []; }
}

function keep(plan) {
  const plans = [plan, ...imported().filter((one) => one.plan_id !== plan.plan_id)].slice(0, MOST_KEPT);
  localStorage.setItem(KEPT, JSON.stringify(plans));
}

/** Where a text stops being JSON, as people count lines. */
function syntax(text, error) {
  const at = Number(/position (\d+)/.exec(error.message)?.[1]);
  if (!Number.isFinite(at)) return `This is not JSON: ${error.message}.`;
  const before = text.slice(0, at).split("\n");
  return `This is not JSON: line ${before.length}, column ${before.at(-1).length + 1}. ${error.message}`;
}

export function importing() {
  let map;
  const result = el("div", { "aria-live": "polite" });
  const input = el("input", { type: "file", accept: ".json,application/json", id: "plan-file", onchange: () => { if (input.files[0]) take(input.files[0]); input.value = ""; } });
  const drop = el("label", { class: "drop",
    ondragover: (event) => { event.preventDefault(); drop.classList.add("over-it"); },
    ondragleave: () => drop.classList.remove("over-it"),
    ondrop: (event) => { event.preventDefault(); drop.classList.remove("over-it"); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); },
  }, input, el("b", {}, "Drop a seating plan here"), el("span", {}, "or choose a file: JSON in the pretix format, up to 8 MiB"));
  const element = el("section", { class: "card", id: "plans" }, el("h2", {}, "Import a seating plan"), drop, result);
  const end = () => map?.end();

  // What came of it may lie below what is seen.
  async function take(file) {
    await read(file);
    result.scrollIntoView({ block: "nearest" });
  }

  async function read(file) {
    end();
    map = undefined;
    if (file.size > MOST_BYTES) return toast("That file is larger than 8 MiB.", "bad");
    result.replaceChildren(waiting(`Reading ${file.name} …`));
    const text = await file.text();
    let plan;
    try { plan = JSON.parse(text); } catch (error) {
      return result.replaceChildren(el("p", { class: "notice bad" }, syntax(text, error)));
    }
    try {
      const { data } = await ask("POST", "/v1/admin/plans", { body: text, patience: 20_000 });
      keep({ plan_id: data.plan_id, name: plan.name, tiers: data.tiers });
      good(plan, data);
    } catch (refusal) {
      const faults = refusal.problem?.errors || [];
      result.replaceChildren(el("p", { class: "notice bad" }, faults.length ? `${file.name} has ${many(faults.length, "fault")} and was not imported:` : refusal.message));
      if (faults.length) result.append(el("ul", { class: "faults" }, faults.map((fault) => el("li", {}, el("code", {}, fault.field), " ", fault.message))));
    }
  }

  function good(plan, { plan_id: id, seats: number, tiers }) {
    const seats = new Seats(plan);
    map = new SeatMap(seats, { say: (i) => `${seats.label(i)}, ${seats.tiers[seats.tier[i]]}`, pick: () => {} });
    result.replaceChildren(
      el("p", { class: "notice" }, el("b", {}, plan.name), ` is imported: ${many(number, "seat")}. `, el("code", {}, id)),
      el("p", { class: "soft" }, tiers.map((tier) => `${tier.tier}: ${count(tier.seats)}`).join(" · ")),
      el("div", { class: "preview map" }, el("div", { class: "over" }, el("span"), tools(map)), map.element));
  }
  return { element, end };
}
