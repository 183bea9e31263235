// Sign-in and consent: a person goes elsewhere with a code, the panel waits, and his OK ends it.

import { problem, result } from "/static/outcome.js";
import { ask, say, show, sleep, texts } from "/static/screen.js";

/**
 * Run one. kind is sign-ins, consents, or a server's sign-ins; request its body; look what it shows: title, as,
 * account, waiting, who, and for a code that must be typed as it is: caption, or, typed; ends: done, leave (where to
 * go after), again.
 */
export async function approve(kind, request, look, ends) {
  const options = { title: look.title, who: look.who };
  show("wait", {}, {}, { ...options, light: "busy" });
  let begun;
  try {
    begun = await ask("POST", kind, request);
  } catch (refusal) {
    return problem(refusal, [["ok", ends.leave, true]], options);
  }
  const cancel = async () => {
    ends.leave();
    await ask("DELETE", `${kind}/${begun.id}`).catch(() => null);
  };
  const values = {
    as: look.as, account: look.account, waiting: look.waiting, caption: look.caption ?? texts.scan_code, or: look.or ?? texts.or_open,
    userCode: look.typed ? begun.user_code : grouped(begun.user_code),
  };
  const invite = (shown, address, qr) => {
    const here = show("approval", { ...values, ...shown }, { cancel }, { ...options, back: cancel, bare: true, light: "busy" });
    document.querySelector("#qr").src = `data:image/svg+xml,${encodeURIComponent(standalone(qr))}`;
    document.querySelector("#qr").alt = address;
    document.querySelector("#here").href = address;
    return here;
  };
  const here = invite(
    { address: begun.verification_uri.replace(/^https:\/\//, "") }, begun.verification_uri_complete || begun.verification_uri, begun.qr_svg,
  );
  if (begun.panel_uri) {
    // A printer opens it in a private window, and closes it when the sign-in ends or its person leaves.
    const panel = document.querySelector("#at-panel");
    panel.href = begun.panel_uri;
    panel.hidden = false;
  }
  say(begun.message || look.waiting);
  begun.ends = Date.now() + begun.expires_in * 1000;
  countdown(begun.ends, here);
  return wait(kind, begun, here, invite, options, ends, cancel);
}

/** A policy blocks codes: the same sign-in goes on by a link, which is too long to be typed. */
function byLink(now, invite) {
  const why = now.message.slice(0, now.message.indexOf(now.link)).replace(/[^.]*$/, "");
  const here = invite(
    { why: `${now.code ? `${now.code}: ` : ""}${why}`, as: "", account: "", caption: texts.scan_code, or: texts.or_open_link, address: now.link, userCode: "" },
    now.link, now.qr_svg,
  );
  document.querySelector(".left").style.visibility = "hidden"; // how long the link is good for is not told
  say(now.message);
  return here;
}

async function wait(kind, begun, shown, invite, options, ends, cancel) {
  let interval = begun.interval;
  let here = shown;
  for (;;) {
    await sleep(interval);
    if (!here()) return;
    let now;
    try {
      now = await ask("GET", `${kind}/${begun.id}`);
    } catch (refusal) {
      // The person is on his way: a service that is away for a moment must not throw him out.
      if (refusal.reason === "unreachable" && Date.now() < begun.ends) continue;
      if (here()) problem(refusal, [["ok", ends.leave, true]], options);
      return;
    }
    if (!here()) return;
    interval = now.interval ?? interval;
    if (now.status === "confirm") return confirm(kind, begun.id, now, options, ends, cancel);
    if (now.status === "active") return ends.done(now);
    if (now.status === "blocked" && now.link) {
      if (begun.blocked) continue;
      begun.blocked = true;
      here = byLink(now, invite);
      continue;
    }
    if (now.status !== "pending") return over(now, options, ends);
  }
}

function confirm(kind, id, now, options, ends, cancel) {
  const yes = async () => {
    try {
      await ask("POST", `${kind}/${id}/confirm`);
    } catch (refusal) {
      return problem(refusal, [["ok", ends.leave, true]], options);
    }
    return ends.done(now);
  };
  if (kind === "consents") {
    // The guide's way: a message on the screen confirms, OK closes it.
    return result({
      tone: "good", symbol: "organisation", title: texts.connected_title, detail: texts.connected_hint,
      remedy: now.account_hint, buttons: [["cancel", cancel], ["ok", yes, true]],
    }, { ...options, bare: true });
  }
  say(`${now.account_hint ?? ""}. ${texts.is_this_you}`);
  const no = async () => {
    await ask("DELETE", `${kind}/${id}`).catch(() => null);
    result({ symbol: "cross", title: texts.cancelled_title, detail: texts.not_you_hint, buttons: [["ok", ends.leave, true]] }, options);
  };
  return show("confirm", { account: now.account_hint }, { yes, no }, { ...options, bare: true });
}

function over(now, options, ends) {
  const name = now.status === "expired" ? "expired" : "denied";
  result({
    tone: "bad", symbol: name === "expired" ? "clock" : "alert", code: now.code,
    title: texts[`${name}_title`], detail: now.message || texts[`${name}_hint`], who: now.who,
    buttons: [["cancel", ends.leave], ["retry", ends.again, true]],
  }, options);
}

async function countdown(ends, here) {
  while (here()) {
    const seconds = Math.max(0, Math.round((ends - Date.now()) / 1000));
    document.querySelector("#left").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    await sleep(1);
  }
}

/** A code in groups of four, however the service writes it. */
const grouped = (code) => code.replace(/[^\p{L}\p{N}]/gu, "").replace(/(.{4})(?=.)/g, "$1 ");

/** An inline SVG needs its namespace to stand alone in an image. */
const standalone = (svg) => (svg.includes("xmlns") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'));
