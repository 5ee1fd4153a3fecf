// Building elements, and telling people things: toasts, announcements, a question
// before something is lost. Text only ever becomes text, never markup.

export const $ = (selector, root = document) => root.querySelector(selector);

const SVG = "http://www.w3.org/2000/svg";

function put(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.setAttribute("class", value);
    else if (!name.includes("-") && name in node && !(node instanceof SVGElement)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
}

function fill(node, children) {
  for (const child of children.flat(3)) if (child != null && child !== false && child !== "") node.append(child);
  return node;
}

/** An HTML element. `class` and `on…` as in HTML; what is empty is left out. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  put(node, props);
  return fill(node, children);
}

/** An SVG element. */
export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  put(node, props);
  return fill(node, children);
}

/** A button that does not send a form. */
export const button = (text, onclick, props = {}) => el("button", { type: "button", onclick, ...props }, text);

/** A field with its label around it. */
export const field = (label, input, hint) =>
  el("label", { class: "field" }, el("span", { class: "label" }, label), input, hint && el("span", { class: "hint" }, hint));

/** Says something to those who listen instead of looking. */
export function announce(text) {
  const place = $("#announce");
  // The same words twice in a row are read twice only if they differ.
  place.textContent = place.textContent === text ? `${text}\u00a0` : text;
}

let hiding;
/** Says something to everybody, for a while; `kind` is "bad" where something did not work. */
export function toast(text, kind = "") {
  const place = $("#toast");
  place.textContent = text;
  place.className = `shown ${kind}`;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.className = ""; }, Math.max(5000, text.length * 90));
}

/** What was said belongs to the page one has left. */
export const hush = () => { $("#toast").className = ""; };

/** Asks before something is lost; true where the answer is yes. */
export function sure({ title, text, yes, no = "No, keep it" }) {
  return new Promise((answer) => {
    let said = false;
    const say = () => { said = true; box.close(); };
    const box = el("dialog", { class: "sure", "aria-labelledby": "sure-title", onclose: () => { box.remove(); answer(said); } },
      el("h2", { id: "sure-title" }, title), text && el("p", {}, text),
      el("div", { class: "row end" }, button(no, () => box.close(), { class: "quiet" }), button(yes, say, { class: "danger", id: "sure-yes" })));
    document.body.append(box);
    box.showModal();
  });
}

/** Shows a page: its title, its content, and the focus at its beginning. */
export function page(title, ...children) {
  document.title = title ? `${title} · Seatlock` : "Seatlock";
  const main = $("#main");
  main.replaceChildren();
  fill(main, children);
}

/** A placeholder while something is on its way. */
export const waiting = (text = "One moment …") => el("p", { class: "waiting", role: "status" }, el("span", { class: "spinner", "aria-hidden": "true" }), text);

/** Gives a file to the browser to be kept. */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
