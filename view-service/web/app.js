"use strict";
// The page for people. It knows the public API and nothing else; every state it
// shows can be had again by asking, so a reload never loses anything but a choice.

const $ = (selector, root = document) => root.querySelector(selector);
const main = $("#main");
const COLOURS = ["#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7a5cc2"]; // told apart by colour-blind eyes
const saved = {
  get token() { return localStorage.getItem("seatlock.token"); },
  set token(value) { value ? localStorage.setItem("seatlock.token", value) : localStorage.removeItem("seatlock.token"); },
};
let leave = () => {}; // ends what the current view keeps running

// --- asking -----------------------------------------------------------------

class Refusal extends Error {
  constructor(problem) { super(words(problem)); this.problem = problem; }
}

function words(problem) {
  const seats = (problem.conflicts || []).map((c) => c.seat).join(", ");
  return {
    seat_taken: `Somebody was faster: ${seats || "a seat"} is taken. Please choose another.`,
    sold_out: "Not enough seats are left there.",
    no_adjacent_seats: "There are not that many seats next to each other. Allow them to be apart?",
    leaves_single_seat: "That would leave a lone seat nobody would want. Please move by one.",
    limit_per_customer: "You have as many seats of this evening as one customer may have.",
    not_on_sale: "The sale has not begun yet.",
    hold_expired: "Your hold ran out; the seats are free for everybody again.",
    payment_declined: "The card was declined. Your seats are still held: try another card.",
    outcome_unknown: "The bank did not answer. Nothing was charged as far as we know; your seats are still held.",
    confirm_in_progress: "Your booking is being confirmed right now.",
    unauthenticated: "Please log in.",
    unavailable: "This is away right now; nothing was changed. Please try again in a moment.",
    rate_limited: "Too many requests. Please wait a moment.",
  }[problem.code] || problem.detail || problem.title || "Something went wrong.";
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Sends one request. What may be sent again is sent again, under the same key.
async function ask(method, path, body, key) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (saved.token && !path.startsWith("/v1/show")) headers.Authorization = `Bearer ${saved.token}`;
  for (let attempt = 1; ; attempt++) {
    let answer;
    try {
      answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    } catch {
      if (attempt < 4 && (method === "GET" || key)) { await pause(400 * attempt); continue; }
      throw new Refusal({ detail: "No connection. Please try again." });
    }
    const text = await answer.text();
    let data = {};
    try { data = text ? JSON.parse(text) : {}; } catch { /* an answer that is not JSON says nothing more */ }
    if (answer.ok) return { status: answer.status, data };
    if (answer.status === 401) { saved.token = null; showWho(); }
    const again = ["request_in_flight", "unavailable"].includes(data.code) && (method === "GET" || key);
    if (again && attempt < 4) { await pause(1000 * Number(answer.headers.get("Retry-After") || 1)); continue; }
    throw new Refusal({ status: answer.status, ...data });
  }
}

// --- small things -----------------------------------------------------------

function el(tag, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  for (const child of children.flat()) if (child != null && child !== false) node.append(child);
  return node;
}

function money(minor, currency) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

const when = (evening) => new Intl.DateTimeFormat(undefined, {
  timeZone: evening.time_zone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
}).format(new Date(evening.starts_at));

let toastTimer;
function toast(text) {
  $("#toast").textContent = text;
  $("#toast").classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("#toast").classList.remove("shown"), 6000);
}

const fail = (error) => toast(error instanceof Refusal ? error.message : `Something went wrong: ${error.message}`);

function show(title, ...children) {
  document.title = title === "Shows" ? "Seatlock" : `${title} · Seatlock`;
  main.replaceChildren(...children.flat().filter(Boolean));
}

// --- logging in -------------------------------------------------------------

const login = { box: $("#login"), form: $("#login-form"), signingUp: false, then: null };

function showWho() { $("#who").textContent = saved.token ? "Log out" : "Log in"; }

function needLogin() {
  if (saved.token) return Promise.resolve(true);
  login.box.showModal();
  return new Promise((done) => { login.then = done; });
}

function signUpMode(on) {
  login.signingUp = on;
  $("#sign-up").hidden = !on;
  for (const input of $("#sign-up").querySelectorAll("input")) input.required = on;
  $("#login-title").textContent = on ? "Sign up" : "Log in";
  $("#login-go").textContent = on ? "Sign up" : "Log in";
  $("#login-switch").textContent = on ? "I have an account" : "New here? Sign up";
}

$("#login-switch").onclick = () => signUpMode(!login.signingUp);
$("#login-close").onclick = () => login.box.close();
login.box.onclose = () => { const then = login.then; login.then = null; then?.(Boolean(saved.token)); };
$("#who").onclick = () => {
  if (saved.token) { saved.token = null; showWho(); route(); } else login.box.showModal();
};
login.form.onsubmit = async (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(login.form));
  $("#login-error").textContent = "";
  try {
    if (login.signingUp) await ask("POST", "/v1/users", given, crypto.randomUUID());
    const { email, password } = given;
    saved.token = (await ask("POST", "/v1/sessions", { email, password })).data.token;
    showWho();
    login.box.close();
    if (location.hash.startsWith("#/mine")) route();
  } catch (error) {
    const faults = (error.problem?.errors || []).map((fault) => `${fault.field} ${fault.message}`);
    $("#login-error").textContent = faults.join("; ") || error.message;
  }
};

// --- shows ------------------------------------------------------------------

async function shows() {
  const wanted = new URLSearchParams(location.hash.split("?")[1] || "");
  const input = (name, type, label) => el("label", {}, label, el("input", { name, type, value: wanted.get(name) || "" }));
  const form = el("form", { className: "filters" },
    input("q", "search", "Title"), input("loc", "text", "City"), input("date", "date", "Date"),
    el("button", { type: "submit", textContent: "Find" }));
  form.onsubmit = (event) => {
    event.preventDefault();
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    location.hash = `#/?${query}`;
  };
  const grid = el("div", { className: "grid" });
  const more = el("button", { textContent: "More shows", hidden: true });
  show("Shows", el("h1", { textContent: "What is on" }), form, grid, el("p", {}, more));
  let cursor = null;
  const load = async () => {
    const query = new URLSearchParams(wanted);
    if (cursor) query.set("cursor", cursor);
    const { data } = await ask("GET", `/v1/shows?${query}`);
    for (const found of data.shows) grid.append(card(found));
    cursor = data.next_cursor;
    more.hidden = !cursor;
    if (!grid.children.length) grid.append(el("p", { className: "soft", textContent: "Nothing found. Try another day or city." }));
  };
  more.onclick = () => load().catch(fail);
  await load();
}

function card(found) {
  const evenings = found.performances.map((evening) => eveningRow(found.show_id, evening));
  return el("article", { className: "card" }, el("h2", { textContent: found.name }), evenings.slice(0, 4),
    evenings.length > 4 && el("a", { className: "soft", href: `#/show/${found.show_id}`, textContent: `all ${evenings.length} evenings` }));
}

function eveningRow(showId, evening) {
  const left = evening.tiers.reduce((sum, tier) => sum + tier.seats_available, 0);
  const cheapest = evening.tiers.filter((tier) => tier.seats_available).sort((a, b) => a.price - b.price)[0];
  return el("a", { className: "evening", href: `#/show/${showId}/${evening.performance_id}` },
    el("span", {}, when(evening), el("br"), el("small", { textContent: `${evening.venue}, ${evening.location}` })),
    el("span", { className: "left" }, cheapest ? `from ${money(cheapest.price, cheapest.currency)}` : "sold out", el("br"),
      el("small", { textContent: `${left} left` })));
}

async function oneShow(showId) {
  const { data } = await ask("GET", `/v1/show/${showId}`);
  show(data.name, el("h1", { textContent: data.name }),
    el("div", { className: "card" }, data.performances.map((evening) => eveningRow(showId, evening))));
}

// --- the seat map -----------------------------------------------------------

class SeatMap {
  constructor(canvas, plan, onPick) {
    Object.assign(this, { canvas, plan, onPick, taken: {}, chosen: new Set(), mine: new Set() });
    this.context = canvas.getContext("2d");
    this.tiers = plan.categories.map((category) => category.name);
    this.seats = [];
    for (const zone of plan.zones) for (const row of zone.rows) for (const seat of row.seats) {
      const at = (axis) => zone.position[axis] + (row.position?.[axis] || 0) + seat.position[axis];
      this.seats.push({ guid: seat.seat_guid, tier: seat.category, x: at("x"), y: at("y"), r: seat.radius || 10,
        label: `Row ${row.row_number}, seat ${seat.seat_number}`,
        colour: COLOURS[this.tiers.indexOf(seat.category) % COLOURS.length] });
    }
    this.byGuid = new Map(this.seats.map((seat) => [seat.guid, seat]));
    const gap = Math.min(...this.seats.slice(1, 400).map((seat, i) => Math.hypot(seat.x - this.seats[i].x, seat.y - this.seats[i].y)).filter((d) => d > 0));
    for (const seat of this.seats) seat.r = Math.min(seat.r, gap * 0.45);
    this.events();
    this.fit();
  }
  fit() {
    const box = this.canvas.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, box.width * scale);
    this.canvas.height = Math.max(1, box.height * scale);
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const s of this.seats) {
      left = Math.min(left, s.x - s.r); right = Math.max(right, s.x + s.r);
      top = Math.min(top, s.y - s.r); bottom = Math.max(bottom, s.y + s.r);
    }
    const room = 36 * scale;
    this.zoom = Math.min((this.canvas.width - 2 * room) / (right - left || 1), (this.canvas.height - 2 * room) / (bottom - top || 1));
    this.dx = (this.canvas.width - this.zoom * (left + right)) / 2;
    this.dy = (this.canvas.height - this.zoom * (top + bottom)) / 2;
    this.draw();
  }
  draw() {
    if (this.waiting) return; // once a frame is enough, however many seats changed
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }
  paint() {
    const { context: c, zoom, dx, dy } = this;
    const ink = getComputedStyle(document.body);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const seat of this.seats) {
      const x = seat.x * zoom + dx, y = seat.y * zoom + dy, r = Math.max(1.2, seat.r * zoom);
      if (x < -r || y < -r || x > this.canvas.width + r || y > this.canvas.height + r) continue;
      const state = this.taken[seat.guid];
      const ours = this.chosen.has(seat.guid) || this.mine.has(seat.guid);
      c.beginPath();
      c.arc(x, y, ours ? r * 1.15 : r, 0, 7);
      c.globalAlpha = state && !ours ? 0.35 : 1;
      if (state === "sold" && !ours) { c.fillStyle = ink.getPropertyValue("--soft"); c.fill(); }
      else if (state && !ours) { c.strokeStyle = ink.getPropertyValue("--soft"); c.lineWidth = Math.max(1, r / 3); c.stroke(); }
      else { c.fillStyle = ours ? ink.getPropertyValue("--ink") : seat.colour; c.fill(); }
      c.globalAlpha = 1;
      if (ours && r > 3) { // a tick, for eyes that do not tell the colours apart
        c.strokeStyle = ink.getPropertyValue("--card"); c.lineWidth = Math.max(1.5, r / 4);
        c.beginPath(); c.moveTo(x - r / 2, y); c.lineTo(x - r / 8, y + r / 2.5); c.lineTo(x + r / 2, y - r / 2.5); c.stroke();
      }
    }
  }
  at(event) {
    const box = this.canvas.getBoundingClientRect(), scale = this.canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }
  nearest(px, py) {
    const x = (px - this.dx) / this.zoom, y = (py - this.dy) / this.zoom;
    let best = null, least = Infinity;
    for (const seat of this.seats) {
      const distance = Math.hypot(seat.x - x, seat.y - y);
      if (distance < least) { least = distance; best = seat; }
    }
    return best && least <= Math.max(best.r * 1.6, 8 / this.zoom) ? best : null;
  }
  zoomBy(factor, px = this.canvas.width / 2, py = this.canvas.height / 2) {
    this.dx = px - (px - this.dx) * factor;
    this.dy = py - (py - this.dy) * factor;
    this.zoom *= factor;
    this.draw();
  }
  events() {
    let from = null, moved = 0;
    this.canvas.onpointerdown = (event) => { from = this.at(event); moved = 0; this.canvas.setPointerCapture(event.pointerId); };
    this.canvas.onpointermove = (event) => {
      const [x, y] = this.at(event);
      if (from) {
        moved += Math.abs(x - from[0]) + Math.abs(y - from[1]);
        this.dx += x - from[0]; this.dy += y - from[1]; from = [x, y];
        this.draw();
      } else this.canvas.title = this.nearest(x, y)?.label || "";
    };
    this.canvas.onpointerup = (event) => {
      from = null;
      const seat = moved < 8 && this.nearest(...this.at(event));
      if (seat) this.onPick(seat);
    };
    this.canvas.onwheel = (event) => { event.preventDefault(); this.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...this.at(event)); };
    this.resized = () => this.fit();
    window.addEventListener("resize", this.resized);
  }
  end() { window.removeEventListener("resize", this.resized); }
}

// --- an evening: choose, hold, pay ------------------------------------------

async function evening(showId, performanceId) {
  const { data: found } = await ask("GET", `/v1/show/${showId}`);
  const chosen = found.performances.find((one) => one.performance_id === performanceId);
  if (!chosen) throw new Refusal({ detail: "This evening does not exist (any more)." });
  const { data: plan } = await ask("GET", `/v1/plans/${chosen.plan_id}`);

  const canvas = el("canvas", { tabIndex: 0 });
  canvas.setAttribute("role", "img");
  const live = el("span", { className: "live off", textContent: "connecting" });
  const side = el("aside", { className: "card stack" });
  const legend = el("ul", { className: "legend" });
  const zoomers = el("div", { className: "zoom" });
  show(found.name, el("h1", { textContent: found.name }),
    el("p", { className: "soft", textContent: `${when(chosen)} · ${chosen.venue}, ${chosen.location}` }),
    el("div", { className: "hall" }, el("div", {}, el("div", { className: "card map" }, canvas, live, zoomers), legend), side));

  const state = { booking: null, key: null, busy: false, timer: 0, live: true };
  const map = new SeatMap(canvas, plan, (seat) => {
    if (state.booking || state.busy) return;
    if (map.chosen.delete(seat.guid)) { /* given back */ }
    else if (map.taken[seat.guid]) return toast(`${seat.label} is ${map.taken[seat.guid]}.`);
    else if (map.chosen.size >= 10) return toast("Ten seats at most.");
    else map.chosen.add(seat.guid);
    map.draw(); choose();
  });
  for (const [text, factor] of [["−", 1 / 1.4], ["+", 1.4]])
    zoomers.append(el("button", { type: "button", textContent: text, title: factor > 1 ? "Closer" : "Farther", onclick: () => map.zoomBy(factor) }));
  zoomers.append(el("button", { type: "button", textContent: "⤢", title: "The whole hall", onclick: () => map.fit() }));

  const refresh = () => {
    const lost = [...map.chosen].filter((guid) => map.taken[guid]);
    if (lost.length && !state.booking && !state.busy) {
      lost.forEach((guid) => map.chosen.delete(guid));
      toast("Somebody was faster with a seat you had chosen.");
      choose();
    }
    const left = map.seats.filter((seat) => !map.taken[seat.guid]).length;
    canvas.setAttribute("aria-label", `Seat map: ${left} of ${map.seats.length} seats are free`);
    legend.replaceChildren(...chosen.tiers.map((tier) => {
      const free = map.seats.filter((seat) => seat.tier === tier.tier && !map.taken[seat.guid]).length;
      const dot = el("span", { className: "dot" });
      dot.style.background = COLOURS[map.tiers.indexOf(tier.tier) % COLOURS.length];
      return el("li", {}, dot, `${tier.tier} ${money(tier.price, tier.currency)} · ${free} left`);
    }), el("li", { textContent: "○ held · ● grey: sold" }));
    map.draw();
  };
  const path = `/v1/show/${showId}/performances/${performanceId}/seats`;
  const events = new EventSource(`${path}/events`);
  const said = (stale) => {
    live.className = `live ${stale ? "off" : "on"}`;
    live.textContent = stale ? "may be old" : "live";
  };
  events.addEventListener("snapshot", (event) => {
    const data = JSON.parse(event.data);
    map.taken = data.seats; said(data.stale); refresh();
  });
  events.addEventListener("change", (event) => {
    for (const [guid, now] of Object.entries(JSON.parse(event.data).seats)) {
      if (now === "free") delete map.taken[guid]; else map.taken[guid] = now;
    }
    said(false); refresh();
  });
  events.onerror = () => { live.className = "live off"; live.textContent = "connecting again"; };
  ask("GET", path).then(({ data }) => { if (live.textContent === "connecting") { map.taken = data.seats; refresh(); } }).catch(fail);
  leave = () => { state.live = false; events.close(); clearInterval(state.timer); map.end(); };

  const run = async (work) => {
    if (state.busy) return;
    state.busy = true;
    for (const button of side.querySelectorAll("button")) button.disabled = true;
    try { await work(); } catch (error) {
      fail(error);
      if (["hold_expired", "not_found"].includes(error.problem?.code)) { state.booking = null; map.mine.clear(); }
    } finally {
      state.busy = false;
      if (state.live) (state.booking ? held : choose)();
    }
  };
  // One key for one wish: asked for again it is the same booking, never a second one.
  const hold = (body) => run(async () => {
    if (!(await needLogin())) return;
    const wish = JSON.stringify(body);
    if (state.wish !== wish) { state.wish = wish; state.key = crypto.randomUUID(); }
    try {
      accept((await ask("POST", `/v1/book/${showId}`, body, state.key)).data);
    } finally { state.wish = null; }
    map.chosen.clear();
  });
  const accept = (booking) => { state.booking = booking; map.mine = new Set(booking.seats); refresh(); };

  function choose() {
    clearInterval(state.timer);
    const tier = el("select", { name: "tier" }, chosen.tiers.map((one) => el("option", { value: one.tier, textContent: `${one.tier} – ${money(one.price, one.currency)}` })));
    const count = el("input", { type: "number", min: 1, max: 10, value: 2 });
    const split = el("input", { type: "checkbox" });
    split.style.width = "auto";
    const picked = [...map.chosen].map((guid) => map.byGuid.get(guid));
    const price = (seat) => chosen.tiers.find((one) => one.tier === seat.tier);
    side.replaceChildren(
      el("h2", { textContent: "Best available" }),
      el("div", { className: "pair" }, el("label", {}, "Tier", tier), el("label", {}, "Seats", count)),
      el("label", {}, split, " may be apart"),
      el("button", { className: "primary", textContent: "Hold the best seats", onclick: () => hold({
        performance_id: performanceId, tier: tier.value, quantity: Number(count.value), accept_split: split.checked }) }),
      el("h2", { textContent: picked.length ? "Your choice" : "… or choose on the map" }),
      ...picked.map((seat) => el("div", { className: "row" }, seat.label, el("span", { className: "soft", textContent: `${seat.tier}, ${price(seat) ? money(price(seat).price, price(seat).currency) : ""}` }))),
      picked.length ? el("button", { className: "primary", textContent: `Hold ${picked.length} seat${picked.length > 1 ? "s" : ""}`,
        onclick: () => hold({ performance_id: performanceId, seats: [...map.chosen] }) }) : "");
  }

  const bookingPath = () => `/v1/book/${showId}/${state.booking.booking_id}`;
  function held() {
    const booking = state.booking;
    clearInterval(state.timer);
    if (booking.state === "confirmed" || booking.state === "cancelled") {
      side.replaceChildren(el("h2", { textContent: booking.state === "confirmed" ? "You are going!" : "Cancelled" }),
        ...ticketList(booking, accept, run),
        el("button", { textContent: "Book more seats", onclick: () => { state.booking = null; map.mine.clear(); refresh(); choose(); } }));
      return;
    }
    const clock = el("div", { className: "clock" });
    const tick = () => {
      const left = Math.max(0, Math.floor((new Date(booking.expires_at) - Date.now()) / 1000));
      clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      clock.classList.toggle("late", left < 60);
      if (!left) { clearInterval(state.timer); state.booking = null; map.mine.clear(); toast(words({ code: "hold_expired" })); choose(); refresh(); }
    };
    const card = el("select", {}, [["tok_ok", "Test card: pays"], ["tok_declined", "Test card: declined"], ["tok_slow", "Test card: slow bank"], ["tok_unknown", "Test card: bank does not answer"]]
      .map(([value, textContent]) => el("option", { value, textContent })));
    const pay = () => run(async () => {
      const { status, data } = await ask("POST", `${bookingPath()}/confirm`, { payment_token: card.value }, crypto.randomUUID());
      if (status !== 202) return accept(data);
      toast("Your booking is being confirmed; this can take a moment.");
      for (let attempt = 0; attempt < 60 && state.live; attempt++) {
        await pause(1000);
        const now = (await ask("GET", bookingPath())).data;
        if (now.state !== "pending") return accept(now);
      }
    });
    side.replaceChildren(
      el("h2", { textContent: booking.state === "pending" ? "Being confirmed" : "Held for you" }), clock,
      ...booking.items.map((item) => el("div", { className: "row" }, map.byGuid.get(item.seat)?.label || item.seat, el("span", { className: "soft", textContent: `${item.tier}, ${money(item.price, booking.currency)}` }))),
      booking.next_to_each_other ? "" : el("p", { className: "soft", textContent: "These seats are not all next to each other." }),
      el("div", { className: "sum" }, el("span", { textContent: "Total" }), el("span", { textContent: money(booking.amount, booking.currency) })),
      el("label", {}, "Sandbox payment", card),
      el("button", { className: "primary", textContent: `Pay ${money(booking.amount, booking.currency)}`, onclick: pay }),
      el("div", { className: "row" },
        el("button", { className: "quiet", textContent: "More time", onclick: () => run(async () => accept((await ask("POST", `${bookingPath()}/extend`, {})).data)) }),
        el("button", { className: "quiet", textContent: "Give back", onclick: () => run(async () => {
          await ask("DELETE", bookingPath()); state.booking = null; map.mine.clear(); refresh();
        }) })));
    if (booking.state !== "held") { clock.textContent = "…"; return; }
    tick();
    state.timer = setInterval(tick, 500);
  }
  choose();
  refresh();
}

// --- tickets ----------------------------------------------------------------

function ticketList(booking, accept, run) {
  const path = `/v1/book/${booking.show_id}/${booking.booking_id}`;
  const cancel = (what, call) => () => confirm(`Cancel ${what}? The money goes back.`) && run(async () => accept((await ask("DELETE", call)).data));
  const tickets = (booking.tickets || []).map((ticket) => el("div", { className: `ticket ${ticket.state === "valid" ? "" : "gone"}` },
    el("span", {}, el("strong", { textContent: ticket.seat }), ` ${ticket.tier}`, el("br"), el("code", { textContent: ticket.code })),
    ticket.state === "valid" && el("button", { className: "quiet", textContent: "Cancel", onclick: cancel(`the ticket for ${ticket.seat}`, `${path}/tickets/${ticket.ticket_id}`) })));
  if (booking.state === "confirmed" && tickets.length > 1)
    tickets.push(el("button", { textContent: "Cancel the whole booking", onclick: cancel("the whole booking", path) }));
  return tickets;
}

async function mine() {
  const list = el("div", { className: "grid" });
  const more = el("button", { textContent: "Older bookings", hidden: true });
  show("My bookings", el("h1", { textContent: "My bookings" }), list, more);
  if (!saved.token) {
    list.append(el("p", {}, "Please log in to see them. ", el("button", { textContent: "Log in", onclick: () => needLogin() })));
    return;
  }
  let cursor = null;
  const draw = (booking) => {
    const box = el("article", { className: "card stack" });
    const fill = (now) => box.replaceChildren(
      el("h2", { textContent: now.show_id }),
      el("p", { className: "soft", textContent: `${now.state} · ${money(now.amount, now.currency)}` }),
      ...ticketList(now, fill, async (work) => { try { await work(); } catch (error) { fail(error); } }),
      el("a", { href: `#/show/${now.show_id}/${now.performance_id}`, textContent: "To the seat map" }));
    fill(booking);
    return box;
  };
  const load = async () => {
    const { data } = await ask("GET", `/v1/bookings${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`);
    list.append(...data.bookings.map(draw));
    cursor = data.next_cursor;
    more.hidden = !cursor;
    if (!list.children.length) list.append(el("p", { className: "soft", textContent: "None yet." }));
  };
  more.onclick = () => load().catch(fail);
  await load();
}

// --- where we are -----------------------------------------------------------

async function route() {
  leave();
  leave = () => {};
  const [, place, id, performance] = location.hash.split("?")[0].split("/");
  try {
    if (place === "show" && performance) await evening(id, performance);
    else if (place === "show" && id) await oneShow(id);
    else if (place === "mine") await mine();
    else await shows();
  } catch (error) {
    show("Sorry", el("h1", { textContent: "Sorry" }), el("p", { textContent: error.message }),
      el("button", { textContent: "Try again", onclick: () => route() }));
  }
}

window.addEventListener("hashchange", route);
showWho();
route();
