// Colours that eyes of every kind tell apart (after Okabe and Ito), one set for
// paper and one for the dark. Never the only sign: state is shape, and a tier can
// be lifted out of the others by its button below the map.

const LIGHT = ["#0067a8", "#c14f00", "#00805d", "#a8457f", "#7a6200", "#2f8fc4", "#6a4ba8", "#555c66"];
const DARK = ["#5db4f0", "#ff9457", "#35c99b", "#e894c3", "#e3c64a", "#9bd5f7", "#b49bf0", "#b3bcc7"];

const dark = window.matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => dark.matches;
/** Calls back when day becomes night; gives a function that ends that. */
export function onTheme(listener) {
  dark.addEventListener("change", listener);
  return () => dark.removeEventListener("change", listener);
}

/** The colour of the n-th tier. */
export function tierColour(index) {
  const set = isDark() ? DARK : LIGHT;
  return set[index % set.length];
}

/** The page's own colours, as the style sheet has them now. */
export function ink() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return { ink: get("--ink"), soft: get("--soft"), faint: get("--faint"), card: get("--card"), accent: get("--accent"), mine: get("--mine"), warn: get("--warn") };
}
