// Who is logged in: a bearer token in this browser, and the dialog that gets one.

import { $, el, button, field } from "./dom.js";
import { ask, freshKey } from "./api.js";
import { fault } from "./words.js";

const KEPT = "seatlock.token";
const listeners = new Set();

function claims(text) {
  try {
    const base64 = text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))));
  } catch {
    return null;
  }
}

/** The bearer token, or null; one that has run out is none. */
export function token() {
  const text = localStorage.getItem(KEPT);
  const until = text && claims(text)?.exp;
  return until && until * 1000 > Date.now() ? text : null;
}

/** Whether the token's role may organise. The API decides; this only decides what is shown. */
export function organises() {
  const text = token();
  return Boolean(text) && ["organiser", "admin"].includes(claims(text)?.role);
}

/** Calls back whenever somebody logs in or out. */
export const onChange = (listener) => listeners.add(listener);

/** Takes a token; false where it is none. */
export function use(text) {
  if (!claims(text.trim())?.exp) return false;
  localStorage.setItem(KEPT, text.trim());
  for (const listener of listeners) listener();
  return true;
}

export function forget() {
  localStorage.removeItem(KEPT);
  for (const listener of listeners) listener();
}

// Another tab logged in or out.
window.addEventListener("storage", (event) => { if (event.key === KEPT) for (const listener of listeners) listener(); });

/** True once somebody is logged in; false where the dialog was closed without. */
export function needLogin() {
  return token() ? Promise.resolve(true) : logIn();
}

/** Opens the dialog. */
export function logIn() {
  return new Promise((done) => {
    let signingUp = false;
    let key = freshKey();
    const error = el("p", { class: "error", role: "alert", id: "login-error" });
    const input = (name, type, autocomplete, more = {}) => el("input", { name, type, autocomplete, required: true, ...more });
    const extra = el("div", { class: "stack", hidden: true },
      field("Name", input("name", "text", "name", { maxLength: 200 })),
      field("Phone", input("phone", "tel", "tel")),
      field("Address", input("address", "text", "street-address", { maxLength: 500 })));
    const title = el("h2", { id: "login-title" });
    const password = input("password", "password", "current-password", { minLength: 8, maxLength: 128 });
    const go = el("button", { type: "submit", class: "primary", id: "login-go" });
    const turn = button("", () => mode(!signingUp), { class: "quiet", id: "login-switch" });
    const mode = (on) => {
      signingUp = on;
      extra.hidden = !on;
      for (const one of extra.querySelectorAll("input")) one.disabled = !on;
      password.autocomplete = on ? "new-password" : "current-password";
      title.textContent = on ? "Sign up" : "Log in";
      go.textContent = on ? "Sign up" : "Log in";
      turn.textContent = on ? "I have an account" : "New here? Sign up";
      error.textContent = "";
    };
    const form = el("form", { class: "stack", onsubmit: submit }, title,
      field("E-mail", input("email", "email", "email")), field("Password", password, "at least 8 characters"), extra, error,
      el("div", { class: "row" }, go, turn, button("Close", () => box.close(), { class: "quiet" })));
    const box = el("dialog", { id: "login", "aria-labelledby": "login-title", onclose: () => { box.remove(); done(Boolean(token())); } }, form);
    async function submit(event) {
      event.preventDefault();
      const given = Object.fromEntries(new FormData(form));
      error.textContent = "";
      go.disabled = true;
      try {
        if (signingUp) await ask("POST", "/v1/users", { body: given, key });
        const { email, password: secret } = given;
        use((await ask("POST", "/v1/sessions", { body: { email, password: secret } })).data.token);
        box.close();
      } catch (refusal) {
        // Signing up with other words is another request.
        key = freshKey();
        const faults = refusal.problem?.errors?.map(fault).join("; ");
        error.textContent = faults || (refusal.code === "unauthenticated" ? "E-mail or password is wrong." : refusal.message);
      }
      go.disabled = false;
    }
    mode(false);
    document.body.append(box);
    box.showModal();
    $("input", form).focus();
  });
}
