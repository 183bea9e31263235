// The panel's ways: home, who are you, scan, jobs, status, settings.

import { approve } from "/static/approval.js";
import { job, problem, result, sign } from "/static/outcome.js";
import { compose } from "/static/outgoing.js";
import { ask, button, facts, fill, icon, leave, say, show, sleep, speak, texts, when } from "/static/screen.js";
import { server, sheet } from "/static/servers.js";

const END = new Set(["sent", "failed", "cancelled"]);
const REST = new Set(["held", "waiting", "uncertain"]);
const RANGES = ["send", "send-large", "send-verified"];
let printer;

async function home() {
  const here = leave();
  printer = await ask("GET", "state").catch(() => printer);
  if (!here()) return;
  const [mail, fax] = ["email", "fax"].map((kind) => () => compose(kind, panel, home));
  show("home", { notEnrolled: !printer.enrolment }, { scan: whoAreYou, mail, fax, jobs, status, settings, enrol },
    { title: printer.name, bare: true, languages: true });
}

const leaving = (title) => ({ title, back: home });
const toHome = [["ok", home, true]];

/** Ask the printer while the wait screen shows; a refusal ends on the screen of problems. */
async function asking(title, question, then, options = {}) {
  const here = show("wait", {}, {}, { title, ...options, light: "busy" });
  try {
    const answer = await question();
    if (here()) await then(answer);
  } catch (refusal) {
    if (!("reason" in refusal)) throw refusal;
    if (here()) problem(refusal, refused(refusal), { title, ...options });
  }
}

/** What the screens of other files need of this one. */
const panel = { asking, options, glass, send };

/** What a refusal offers beside OK: the way to what is missing, where the panel has it. */
function refused(refusal) {
  if (refusal.reason === "not_enrolled") return [["enrol_setting", enrol], ["ok", home, true]];
  if (/consent/.test(refusal.reason ?? "")) return [["connect_organisation", ranges], ["ok", home, true]];
  return toHome;
}

// To My Email

function whoAreYou() {
  const people = printer.users.map((user) => {
    const initials = user.name.split(" ").map((part) => part[0]).join("");
    const piece = fill("person", { name: user.name, initials });
    piece.querySelector("button").onclick = () => enter(user);
    return piece;
  });
  show("who", { people }, {}, leaving(texts.who_are_you));
}

function enter(user) {
  return asking(texts.to_my_email, () => ask("GET", `users/${user.id}`), (answer) => {
    const person = { ...user, ...answer };
    if (answer.status === "ready") return scan(person);
    if (answer.status === "sign_in_required") return signIn(person);
    // Whoever was signed in here may try again: only a new sign-in tells whether the rule was lifted.
    const again = answer.account_hint ? [["sign_in_now", () => signIn(person)]] : [];
    return problem({ title: texts.blocked_title, who: "admin", ...answer }, [...again, ...toHome], { title: texts.to_my_email, who: user.name });
  }, { who: user.name });
}

function signIn(person) {
  return approve("sign-ins", { user: person.id }, {
    title: texts.sign_in_title, as: texts.sign_in_as, account: person.email, waiting: texts.waiting_for_you, who: person.name,
  }, {
    done: (now) => scan({ ...person, account_hint: now.account_hint }), leave: home, again: () => signIn(person),
  });
}

function scan(person) {
  const again = (refusal) => refusal.who === "user"
    ? [...(refusal.code === 370 || refusal.code === 361 ? [["sign_in_now", () => signIn(person)]] : []), ...toHome]
    : refused(refusal);
  const start = () => send({ user: person.id }, { title: texts.sending_title, who: person.name }, (now) => afterScan(now, person), again);
  show("scan", { to: person.account_hint || person.email }, { start }, { ...leaving(texts.scan_title), who: person.name });
  glass();
}

/** What lies on the glass: the sample, or a file of one's own. */
function glass() {
  const file = document.querySelector("#file");
  const [sample, own] = document.querySelectorAll("[name=source]");
  own.onclick = () => file.click();
  file.onchange = () => { document.querySelector("#file-name").textContent = file.files[0]?.name ?? texts.own_file; };
  file.oncancel = () => { sample.checked = !file.files.length; };
}

/** Hand over what lies on the glass. after and again give the buttons of how it ends, and of a refusal. */
async function send(told, options, after, again) {
  const form = new FormData();
  Object.entries(told).forEach(([name, value]) => form.append(name, value));
  const file = document.querySelector("#file").files[0];
  if (document.querySelector("[name=source][value=file]").checked && file) form.append("file", file);
  const here = show("progress", {}, {}, { ...options, light: "busy" });
  if (told.kind) document.querySelector("[data-step=sent]").textContent = texts.state_sent;
  step("accepted", "please_wait");
  try {
    let now = await ask("POST", "scans", form);
    while (here() && !END.has(now.state) && !REST.has(now.state)) {
      step("sending", `state_${now.state}`);
      const before = now.updated_at;
      now = await ask("GET", `scans/${now.id}?since=${encodeURIComponent(before)}`);
      if (now.updated_at === before) await sleep(1);
    }
    if (here()) job(now, after(now), options);
  } catch (refusal) {
    if (!("reason" in refusal)) throw refusal;
    if (here()) problem(refusal, again(refusal), options);
  }
}

function afterScan(now, person) {
  const mine = now.who !== "admin" && now.who !== "operator";
  if (now.state === "held" || (mine && [361, 370].includes(now.code))) return [["sign_in_now", () => signIn(person)], ...toHome];
  return [["another_scan", () => scan(person)], ...toHome];
}

function step(state, text) {
  const words = document.querySelector("#state-words");
  if (words) words.textContent = texts[text];
  say(texts[text]);
  const steps = [...document.querySelectorAll("[data-step]")];
  const current = steps.findIndex((item) => item.dataset.step === state);
  steps.forEach((item, index) => { item.className = index < current ? "done" : index === current ? "now" : ""; });
}

// Jobs

function jobs() {
  return asking(texts.jobs, () => ask("GET", "scans"), (page) => {
    if (!page.jobs.length) {
      return result({ symbol: "jobs", title: texts.no_jobs, detail: texts.no_jobs_hint, buttons: toHome }, leaving(texts.jobs));
    }
    show("jobs", { jobs: page.jobs.map(line) }, {}, leaving(texts.jobs));
    return more(page.cursor);
  }, leaving(texts.jobs));
}

function line(scanned) {
  const [tone, symbol] = sign(scanned.state);
  const values = {
    state: texts[`state_${scanned.state}`], hint: scanned.message || (scanned.code && texts[`code_${scanned.code}`]),
    code: scanned.code, time: when(scanned.created_at),
  };
  const piece = icon(fill("job", values), symbol === "mail" ? "check" : symbol);
  if (tone) piece.querySelector(".mark").classList.add(tone);
  const open = () => asking(texts.job, () => ask("GET", `scans/${scanned.id}`), detail, { title: texts.job, back: jobs });
  piece.querySelector("button").onclick = open;
  return piece;
}

function more(cursor) {
  if (!cursor) return;
  const piece = fill("option", { name: texts.more });
  const entry = piece.querySelector("button");
  entry.onclick = async () => {
    const page = await ask("GET", `scans?cursor=${encodeURIComponent(cursor)}`);
    entry.replaceWith(...page.jobs.map(line));
    more(page.cursor);
  };
  document.querySelector(".list").append(piece);
}

function detail(scanned) {
  const cancel = () => asking(texts.job, () => ask("DELETE", `scans/${scanned.id}`), jobs, { back: jobs });
  const open = END.has(scanned.state) ? [] : [["cancel_job", cancel]];
  job(scanned, [...open, ["ok", jobs, true]], { title: texts.job, back: jobs }, true);
}

// Status

async function status() {
  const here = show("wait", {}, {}, { ...leaving(texts.status), light: "busy" });
  let device = {};
  let reachable = [texts.reachable, "good"];
  try {
    device = await ask("GET", "device");
  } catch (refusal) {
    reachable = [refusal.title || texts[`reason_${refusal.reason}`] || texts.something_wrong, "bad"];
  }
  if (!here()) return;
  const enrolment = printer.enrolment ?? {};
  const limit = device.policy?.largest_document;
  const list = facts([
    ["service", `${reachable[0]} (${printer.service.replace(/^https?:\/\//, "")})`, reachable[1]],
    ["device", [device.name ?? printer.name, printer.model, printer.serial].join(", ")],
    ["group", [device.group, device.location].filter(Boolean).join(", ")],
    ["organisation", device.organisation || enrolment.organisation || texts.none],
    ["consent", texts[`consent_${device.consent?.status}`] ?? device.consent?.status, { none: "bad", withdrawn: "bad" }[device.consent?.status]],
    ["range", texts[`range_${device.consent?.range}`]],
    ["size_limit", limit && `${(limit / 1e6).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 })} MB`],
    ["key_words", enrolment.words],
  ]);
  const buttons = [
    button("email-server", () => server("email-server", panel, status)),
    button("fax-server", () => server("fax-server", panel, status)),
    button("status_sheet", () => sheet(panel, status)),
  ];
  show("status", { facts: list, buttons }, {}, leaving(texts.status));
}

// Settings

function settings() {
  const [mail, fax] = ["email-server", "fax-server"].map((path) => () => server(path, panel, settings));
  show("settings", {}, { consent: ranges, mail, fax, enrol, language: languages }, leaving(texts.settings));
}

function options(title, choices, back) {
  const pieces = choices.map(([name, hint, action]) => {
    const piece = fill("option", { name, hint });
    piece.querySelector("button").onclick = action;
    return piece;
  });
  show("choices", { choices: pieces }, {}, { title, back });
}

function ranges() {
  options(texts.range_title, RANGES.map((range) => [texts[`range_${range}`], texts[`range_${range}_hint`], () => consent(range)]), settings);
}

function consent(range) {
  return approve("consents", { range }, {
    title: texts.consent_title, as: texts.as_admin, account: "", waiting: texts.waiting_for_admin,
  }, { done: home, leave: settings, again: () => consent(range) });
}

function languages() {
  const choices = printer.languages.map((tag) => [new Intl.DisplayNames([tag], { type: "language" }).of(tag), "", () => speakNow(tag)]);
  options(texts.language, choices, settings);
}

async function speakNow(language) {
  await ask("POST", "language", { language });
  await speak(language);
  return home();
}

function enrol() {
  const ok = () => {
    const ticket = document.querySelector("#ticket").value;
    return asking(texts.enrol_title, () => ask("POST", "enrolment", { ticket }), (enrolment) => result({
      tone: "good", symbol: "plug", title: texts.enrolled_title,
      detail: enrolment.status === "pending" ? texts.device_pending : enrolment.words && texts.enrolled_hint,
      remedy: enrolment.words, buttons: toHome,
    }, { title: texts.enrol_title }));
  };
  show("enrol", {}, { ok, cancel: settings }, { title: texts.enrol_title, back: settings });
}

// The printer comes on

document.querySelector("#home").onclick = home;
document.querySelector("#language").onclick = () => {
  const next = (printer.languages.indexOf(printer.language) + 1) % printer.languages.length;
  return speakNow(printer.languages[next]);
};
document.addEventListener("keydown", (event) => {
  const back = document.querySelector("#back");
  if (event.key === "Escape" && !back.hidden) back.click();
});
const tick = () => {
  document.querySelector("#clock").textContent = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
};
setInterval(tick, 5000);
tick();
printer = await ask("GET", "state");
document.querySelector("#model").textContent = printer.model;
await speak(printer.language);
await home();
