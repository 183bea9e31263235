// The printer's own accounts: how its mail server and fax server stand, the sign-in, OK, and the status sheet.

import { approve } from "/static/approval.js";
import { result } from "/static/outcome.js";
import { ask, button, facts, icon, say, show, texts, when } from "/static/screen.js";

const SERVICES = { exchange_online: "Microsoft Exchange Online", outlook_com: "Outlook.com" };
const MARKS = { signed_in: ["good", "check"], not_signed_in: ["warn", "alert"], expired: ["bad", "clock"], blocked: ["bad", "alert"] };

/** The screen of a server. path: email-server or fax-server; panel: asking and options; back: where one came from. */
export function server(path, panel, back) {
  return panel.asking(texts[path], () => ask("GET", path), (now) => stands(path, now, panel, back), { back });
}

function stands(path, now, panel, back) {
  const undelivered = now.status === "signed_in" && !now.delivered;
  const state = texts[undelivered ? "server_undelivered" : `server_${now.status}`];
  const signIn = () => services(path, panel, back);
  const ok = () => deliver(path, now, panel, back);
  const values = {
    state, code: now.code, message: now.message,
    facts: facts([
      ["who_acts", now.who && texts[`who_${now.who}`]],
      ["server_service", SERVICES[now.service]],
      ["server_account", now.account_hint],
      ["server_delivered", now.account_hint && texts[now.delivered ? "yes" : "no"]],
      ["server_sent", when(now.last_success_at) || texts.never],
      ["server_error", now.last_error_at && [when(now.last_error_at), now.last_error_code, now.last_error_message === now.message ? "" : short(now.last_error_message)].filter(Boolean).join(" · ")],
    ]),
    buttons: undelivered
      ? [button("sign_in_again", signIn), button("ok", ok, true)]
      : [button(now.account_hint ? "sign_in_again" : "sign_in", signIn, !now.account_hint || now.status !== "signed_in")],
  };
  show("server", values, {}, { title: texts[path], back, light: now.code ? "bad" : "" });
  const [tone, symbol] = undelivered ? ["warn", "alert"] : MARKS[now.status];
  const screen = document.querySelector(".server");
  screen.querySelector(".mark").classList.add(tone);
  icon(screen, symbol);
  say([state, now.code, now.message].filter(Boolean).join(". "));
}

/** The title of a message; the sheet has it whole. */
const short = (message = "") => message.split(". ")[0];

/** OK: the printer takes the settings, and says so to the service. */
function deliver(path, now, panel, back) {
  const stored = () => ask("POST", `${path}/acknowledge`, { settings_version: now.settings_version });
  return panel.asking(texts[path], stored, (then) => result({
    tone: "good", symbol: "check", title: texts.server_stored, detail: texts[`${path}_ready`], remedy: then.account_hint,
    buttons: [["ok", () => server(path, panel, back), true]],
  }, { title: texts[path], back }), { back });
}

function services(path, panel, back) {
  const leave = () => server(path, panel, back);
  const choices = Object.entries(SERVICES).map(([slug, name]) => [name, texts[`service_${slug}`], () => signIn(path, slug, panel, back)]);
  panel.options(texts.service_title, choices, leave);
}

function signIn(path, service, panel, back) {
  const leave = () => server(path, panel, back);
  return approve(`${path}/sign-ins`, { service }, {
    title: texts[path], as: texts.server_sign_in_as, account: SERVICES[service], waiting: texts.waiting_for_mailbox,
    caption: texts.scan_address, or: texts.open_and_type, typed: true,
  }, { done: leave, leave, again: () => signIn(path, service, panel, back) });
}

/** Print the status sheet; this printer's paper is a file. */
export function sheet(panel, back) {
  return panel.asking(texts.status_sheet, () => ask("POST", "status-sheet"), (printed) => result({
    tone: "good", symbol: "page", title: texts.sheet_printed, detail: texts.sheet_printed_hint, remedy: printed.name,
    buttons: [["sheet_show", () => window.open(printed.path, "_blank", "noopener")], ["ok", back, true]],
  }, { title: texts.status_sheet, back }), { back });
}

/** Go on where a server can send; else show what is missing, and the way to it. */
export function ready(path, panel, home, then) {
  return panel.asking(texts[path], () => ask("GET", path), (now) => {
    if (!now.code && !now.reason) return then(now);
    return result({
      tone: "bad", symbol: "alert", code: now.code, title: texts[now.status === "signed_in" ? "server_undelivered" : `server_${now.status}`],
      detail: now.message, who: now.who, buttons: [[path, () => server(path, panel, home)], ["ok", home, true]],
    }, { title: texts[path], back: home });
  }, { back: home });
}
