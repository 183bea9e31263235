// The end of something, in words: what happened, what to do, who must do it.

import { button, facts, icon, say, show, texts, when } from "/static/screen.js";

const SIGNS = {
  sent: ["good", "mail"], held: ["warn", "clock"], waiting: ["warn", "clock"], uncertain: ["warn", "clock"],
  failed: ["bad", "alert"], cancelled: ["", "cross"],
};

/** Tone and icon of a job's state. */
export const sign = (state) => SIGNS[state] ?? ["", "clock"];

/** A screen with a sign, words and buttons (rows of text key, action, main). */
export function result({ tone, symbol, code, title, detail, remedy, who, pairs = [], buttons }, options = {}) {
  const values = {
    icon: !code, code: code ?? "", title, detail, remedy, facts: facts(pairs),
    acts: who && who !== "none" ? texts[`who_${who}`] : "",
    buttons: buttons.map(([text, action, main]) => button(text, action, main)),
  };
  const here = show("result", values, {}, { ...options, light: tone === "bad" ? "bad" : "" });
  const panel = document.querySelector(".result");
  if (tone) panel.classList.add(tone);
  icon(panel, symbol);
  say([code, title, detail, remedy].filter(Boolean).join(". "));
  return here;
}

/** A refusal, in the service's words where it has some, else in the printer's own. */
export function problem(refusal, buttons, options) {
  const { reason, code } = refusal;
  return result({
    tone: "bad", symbol: "alert", code, who: refusal.who,
    title: refusal.title || texts[`reason_${reason}`] || texts[`code_${code}`] || texts.something_wrong,
    detail: refusal.detail || refusal.message,
    remedy: refusal.remedy || texts[`remedy_${reason}`] || advice(refusal),
    buttons,
  }, options);
}

/** What the printer itself can advise where the service said nothing: nobody at the panel can do an administrator's part. */
const advice = ({ message, code, who }) => message ? "" : texts[who === "admin" || who === "operator" ? "remedy_ask" : `remedy_${code}`];

/** How a job ended, or where it stands. */
export function job(scan, buttons, options, detailed = false) {
  const [tone, symbol] = sign(scan.state);
  const words = { sent: "sent", held: "held", waiting: "waiting", cancelled: "cancelled", failed: "failed" }[scan.state];
  const code = scan.state === "failed" ? scan.code : null;
  return result({
    tone, symbol, code, who: scan.who,
    title: (code && texts[`code_${code}`]) || texts[`${words}_title_${scan.kind}`] || texts[`${words}_title`] || texts[`state_${scan.state}`],
    detail: scan.message || texts[`${words}_hint_${scan.kind}`] || texts[`${words}_hint`] || texts[`${scan.state}_hint`],
    remedy: advice(scan),
    pairs: detailed ? [
      ["created", when(scan.created_at)], ["updated", when(scan.updated_at)],
      ["attempts", scan.attempts || null], ["next_attempt", when(scan.next_attempt_at)], ["job", scan.id],
    ] : scan.state === "waiting" ? [["next_attempt", when(scan.next_attempt_at)]] : [],
    buttons,
  }, options);
}
