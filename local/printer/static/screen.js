// What every screen is made of: texts, the asking of the printer, and a template filled with values.

export const texts = {};
let turn = 0;

/** Load the panel's own texts in a language and put them on what stays on every screen. */
export async function speak(language) {
  Object.assign(texts, await (await fetch(`/texts/${language}.json`)).json());
  document.documentElement.lang = language;
  document.querySelector("#language").textContent = language;
  document.title = texts.to_my_email;
  localise(document.querySelector("header"));
}

/** One request to the printer; a refusal is thrown as the problem that it is. */
export async function ask(method, path, body) {
  const headers = { "X-Panel": "1" };
  const form = body instanceof FormData;
  if (body && !form) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`/panel/${path}`, { method, headers, body: form ? body : body && JSON.stringify(body) });
  } catch {
    throw { reason: "panel_gone", who: "operator" };
  }
  const answer = response.status === 204 ? null : await response.json().catch(() => ({ reason: "panel_gone" }));
  if (!response.ok) throw answer;
  return answer;
}

/** Fill a template: data-t is a text, data-v a value, data-if a condition, data-on an action, data-list more elements. */
export function fill(name, values = {}, actions = {}) {
  const piece = document.querySelector(`#t-${name}`).content.cloneNode(true);
  localise(piece);
  for (const element of piece.querySelectorAll("[data-v]")) element.textContent = values[element.dataset.v] ?? "";
  for (const element of piece.querySelectorAll("[data-if]")) element.toggleAttribute("hidden", !values[element.dataset.if]);
  for (const element of piece.querySelectorAll("[data-list]")) element.append(...(values[element.dataset.list] ?? []));
  for (const element of piece.querySelectorAll("[data-on]")) element.addEventListener("click", () => actions[element.dataset.on]());
  return piece;
}

/**
 * Show a screen. Returns whether it is still there: what was waiting for a screen that is gone must stop.
 * options: title, who (the person at the panel), back (an action), bare (no way home), light (busy, bad).
 */
export function show(name, values, actions, options = {}) {
  const here = leave();
  const screen = document.querySelector("#screen");
  screen.replaceChildren(fill(name, values, actions));
  screen.dataset.name = name;
  const title = document.querySelector("#title");
  title.textContent = options.title ?? "";
  const who = document.querySelector("#who");
  who.textContent = options.who ?? "";
  who.hidden = !options.who;
  const back = document.querySelector("#back");
  back.hidden = !options.back;
  back.onclick = options.back ?? null;
  document.querySelector("#home").hidden = Boolean(options.bare);
  document.querySelector("#language").hidden = !options.languages;
  document.querySelector("#light").className = options.light ?? "";
  (screen.querySelector("[data-focus]") ?? title).focus();
  return here;
}

/** Let what waits for this screen stop. Returns whether nothing else was shown, or left for, since. */
export function leave() {
  const mine = ++turn;
  return () => mine === turn;
}

/** Say it to those who do not see the screen. */
export function say(words) {
  document.querySelector("#said").textContent = words;
}

/** Sleep, in seconds. */
export const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** A time of the service in the person's own way of writing it. */
export function when(text) {
  const options = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  const tag = { en: "en-GB" }[document.documentElement.lang] ?? document.documentElement.lang;
  return text ? new Date(text).toLocaleString(tag, options) : "";
}

/** One button for a list of buttons. */
export function button(text, action, main = false) {
  const element = Object.assign(document.createElement("button"), { textContent: texts[text], onclick: action });
  if (main) { element.className = "main"; element.dataset.focus = ""; }
  return element;
}

/** Pairs of a text's key and a value, as the elements of a definition list; empty values are left out. */
export function facts(pairs) {
  return pairs.filter(([, value]) => value != null && value !== "").flatMap(([key, value, mark]) => [
    Object.assign(document.createElement("dt"), { textContent: texts[key] }),
    Object.assign(document.createElement("dd"), { textContent: value, className: mark ?? "" }),
  ]);
}

/** Point an icon of a filled piece at a symbol. */
export function icon(piece, name) {
  piece.querySelector("use:not([href])")?.setAttribute("href", `#i-${name}`);
  return piece;
}

function localise(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = texts[element.dataset.t];
  for (const element of root.querySelectorAll("[data-label]")) element.ariaLabel = texts[element.dataset.label];
}
