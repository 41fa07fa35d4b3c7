/* Sends a form of the portal from a script, and says in one way what came of it. */

const json = { Accept: "application/json" };

/* What cannot be done, and why: `kind` is "offline", "signed-out", "gone" or "refused". */
export class Failure extends Error {
  constructor(kind, message, heading = "") {
    super(message);
    this.kind = kind;
    this.heading = heading;
  }
}

let token = "";

export function useToken(csrf) {
  token = csrf;
}

export function fields(values) {
  return new URLSearchParams({ csrf: token, ...values });
}

/* Return the portal's state: who is signed in, and which jobs there are. */
export async function look() {
  return read(await ask("./", { headers: json }));
}

/* Post a form; return what the portal says, or throw a Failure. */
export async function post(page, values) {
  let answer = await send(page, values);
  if (answer.status === 403) {
    // Signed in again in another tab: this session has another token.
    const state = await look();
    if (!state.worker) throw new Failure("signed-out", "You are signed out.");
    useToken(state.csrf);
    answer = await send(page, values);
  }
  return read(answer);
}

function send(page, values) {
  return ask(page, { method: "POST", headers: json, body: fields(values), redirect: "error" });
}

async function ask(page, options) {
  try {
    return await fetch(page, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Failure("offline", "The server does not answer.");
  }
}

async function read(answer) {
  let body;
  try {
    body = await answer.json();
  } catch {
    // A proxy's page, for instance: whoever stands in front of the portal cannot reach it.
    throw new Failure("offline", "The server does not answer as it should.");
  }
  if (answer.ok) return body;
  if (answer.status === 401) throw new Failure("signed-out", body.message);
  if (answer.status === 410) throw new Failure("gone", body.message, body.heading);
  throw new Failure("refused", body.message ?? "The server refused this.");
}

/* One sentence for the next page to say. */
export function leaveWord(sentence) {
  sessionStorage.setItem("portal-word", sentence);
}

export function takeWord() {
  const sentence = sessionStorage.getItem("portal-word") ?? "";
  sessionStorage.removeItem("portal-word");
  return sentence;
}
