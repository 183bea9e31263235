// Mail and fax in the printer's own name.

import { show, texts } from "/static/screen.js";
import { ready } from "/static/servers.js";

const SORTS = {
  email: { path: "email-server", title: "mail_title", label: "mail_to", hint: "mail_to_hint", field: "to", subject: true },
  fax: { path: "fax-server", title: "fax_title", label: "fax_number", hint: "fax_number_hint", field: "fax_number", subject: false },
};

/** The form for a mail or a fax. kind: email or fax; panel: asking, options, glass, send; home: the way back. */
export function compose(kind, panel, home) {
  const sort = SORTS[kind];
  return ready(sort.path, panel, home, () => form(kind, sort, panel, home));
}

function form(kind, sort, panel, home) {
  const again = () => compose(kind, panel, home);
  const start = () => {
    const told = { kind, [sort.field]: document.querySelector("#recipient").value };
    if (sort.subject) told.title = document.querySelector("#subject").value;
    return panel.send(told, { title: texts[sort.title] }, () => [["again", again], ["ok", home, true]], () => [["retry", again], ["ok", home, true]]);
  };
  const values = { label: texts[sort.label], hint: texts[sort.hint], subject: sort.subject };
  show("outgoing", values, { start }, { title: texts[sort.title], back: home });
  panel.glass();
}
