/* The page around a task: its frame, its time, and what becomes of the answer. */

import { Failure, fields, leaveWord, post, takeWord, useToken } from "./post.js";

// Seconds, less than the server waits after a page has closed: the task may be open in another tab.
const HEARTBEAT = 5;
const WARNING = 120;
const byId = (id) => document.getElementById(id);
const task = byId("task").dataset;
const frame = byId("frame");
const draftKey = `portal-draft:${task.id}`;
const loaded = Date.now();
// What is still to be done when the server is there again.
let unsent = null;
let over = false;
let busy = false;
let port = null;
let linked = null;
// Keys that were pressed before the frame had its line.
const early = [];

useToken(task.csrf);

/* The frame has no origin and its own scripts: it is known by its window, and is given one line. */
addEventListener("message", (event) => {
  if (event.source !== frame.contentWindow || event.origin !== "null") return;
  const number = event.data?.taskReady;
  if (typeof number !== "number" || number === linked) return;
  linked = number;
  port?.close();
  const line = new MessageChannel();
  port = line.port1;
  port.onmessage = ({ data }) => Object.hasOwn(said, data?.kind) && said[data.kind](data);
  // An origin that is opaque has no other name.
  frame.contentWindow.postMessage("task-port", "*", [line.port2]);
  const kept = sessionStorage.getItem(draftKey);
  if (kept) port.postMessage({ kind: "restore", fields: JSON.parse(kept) });
  port.postMessage({ kind: "shortcuts", digits: localStorage.getItem("portal-digits") !== "off" });
  early.splice(0).forEach((key) => port.postMessage(key));
});

// It may have been ready before this script was.
frame.contentWindow.postMessage("task-page", "*");

/* All that a frame can ask for. */
const said = {
  answer({ answer }) {
    if (typeof answer === "object" && answer !== null) submit(answer);
  },
  draft({ fields: kept }) {
    if (over) return;
    try {
      sessionStorage.setItem(draftKey, JSON.stringify(kept));
    } catch {
      // There is no room for it; it is still in the frame.
    }
  },
  height({ height }) {
    if (Number.isFinite(height)) frame.style.height = `${Math.min(Math.max(height, 120), 50000) + 2}px`;
  },
  incomplete({ message }) {
    say(String(message));
  },
  shortcuts({ digits }) {
    localStorage.setItem("portal-digits", digits ? "on" : "off");
  },
};

function say(sentence) {
  const place = byId("status");
  // The same sentence twice is otherwise read once.
  place.textContent = place.textContent === sentence ? `${sentence}\u00a0` : sentence;
}

function submit(answer) {
  if (!over) act("submit", { answer: JSON.stringify(answer) });
}

const DONE = {
  submit: ["Your answer is saved. Here is the next task.", "Your answer is saved. That was the last one for now: thank you."],
  decline: ["You declined that task. Here is the next one.", "You declined that task. There is no other one for now."],
  release: ["", "The task was given back."],
  pause: ["", "The task waits for you."],
};

/* Do something with the task that ends this page. */
async function act(page, values) {
  if (busy) return;
  setBusy(true);
  hideNotice();
  try {
    const done = await post(page, { id: task.id, ...values });
    over = true;
    sessionStorage.removeItem(draftKey);
    leaveWord(DONE[page][done.task ? 0 : 1]);
    // The task that is done is no place to come back to.
    location.replace(done.task ? `task?id=${encodeURIComponent(done.task.id)}` : "./");
  } catch (failure) {
    setBusy(false);
    failed(failure, () => act(page, values));
  }
}

function setBusy(on) {
  busy = on;
  document.body.classList.toggle("busy", on);
  port?.postMessage({ kind: "busy", busy: on });
}

function failed(failure, again) {
  if (!(failure instanceof Failure)) throw failure;
  unsent = again;
  if (failure.kind === "gone") return end(failure.heading, failure.message);
  if (failure.kind === "signed-out")
    return notice(
      "You are signed out",
      "What you filled in is still here. Sign in again under the same name, then come back to this page and try again.",
      { again: true, signIn: true },
    );
  if (failure.kind === "offline")
    return notice(
      "The server cannot be reached",
      "What you filled in is still here. Perhaps the server was stopped; when it runs again, try again.",
      { again: true },
    );
  return notice("This did not work", failure.message, { again: true, away: true });
}

/* The task is not this worker's any more: what was typed stays to be read. */
function end(heading, text) {
  // Several questions may be under way when the time is over.
  if (over) return;
  over = true;
  clearInterval(ticking);
  clearInterval(beating);
  const typed = sessionStorage.getItem(draftKey) ? " What you filled in stays below until you leave this page." : "";
  sessionStorage.removeItem(draftKey);
  notice(heading, text + typed, { away: true });
  document.querySelector(".aside").hidden = true;
}

function notice(heading, text, { again = false, signIn = false, away = false }) {
  byId("notice-title").textContent = heading;
  byId("notice-text").textContent = text;
  byId("again").hidden = !again;
  byId("sign-in-again").hidden = !signIn;
  byId("away").hidden = !away;
  byId("notice").hidden = false;
  byId("notice").scrollIntoView({ block: "nearest" });
  byId("notice").focus();
}

function hideNotice() {
  byId("notice").hidden = true;
}

byId("again").addEventListener("click", () => unsent?.());

/* Time */

let deadline = loaded + Number(task.remaining) * 1000;
let warned = false;

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

function tick() {
  const left = (deadline - Date.now()) / 1000;
  const limit = Number(task.limit);
  byId("elapsed").textContent = clock(Math.min(limit, limit - left));
  if (left <= Math.min(WARNING, limit / 4) && !warned) {
    warned = true;
    document.querySelector(".timer").classList.add("short");
    say(`${clock(left)} minutes are left for this task.`);
  }
  if (left <= 0) beat();
}
const ticking = setInterval(tick, 1000);
tick();

/* The server gives the task to somebody else when this page is gone. */
async function beat() {
  if (over || busy) return;
  try {
    const { remaining } = await post("seen", { id: task.id });
    deadline = Date.now() + remaining * 1000;
  } catch (failure) {
    // Without a server there is nothing to tell before somebody wants to send something.
    if (failure.kind === "gone") end(failure.heading, failure.message);
  }
}
const beating = setInterval(beat, HEARTBEAT * 1000);
document.addEventListener("visibilitychange", () => document.hidden || beat());
addEventListener("pageshow", (event) => event.persisted && beat());
addEventListener("pagehide", () => {
  if (!over) navigator.sendBeacon("left", fields({ id: task.id }));
});

/* Putting it aside */

const ASK = {
  pause: ["Stop and resume later?", "The task waits for you, and nobody else gets it. What you filled in is not kept, and its time goes on.", "Stop"],
  release: ["Give this task back?", "Somebody else can take it then. What you filled in is not kept.", "Release"],
  decline: ["Decline this task?", "You will never be asked about it again. What you filled in is not kept.", "Decline"],
};

for (const button of document.querySelectorAll("[data-ask]"))
  button.addEventListener("click", () => {
    const [heading, text, yes] = ASK[button.dataset.ask];
    byId("confirm-title").textContent = heading;
    byId("confirm-text").textContent = text;
    byId("confirm-yes").textContent = yes;
    byId("confirm").returnValue = "";
    byId("confirm").onclose = () => byId("confirm").returnValue === "yes" && act(button.dataset.ask, {});
    byId("confirm").showModal();
  });

/* Keys that are meant for the task while the focus is outside its frame. */
document.addEventListener("keydown", (event) => {
  const control = event.ctrlKey || event.metaKey;
  if (event.altKey || event.repeat || byId("confirm").open) return;
  const forTask = control ? event.key === "Enter" : /^[0-9]$/.test(event.key);
  if (!forTask) return;
  event.preventDefault();
  const message = { kind: "key", key: event.key, control };
  if (port) port.postMessage(message);
  else early.push(message);
});

const word = takeWord();
if (word) say(word);
// Whoever comes from the last task starts at the top of this one.
byId("title").focus({ preventScroll: true });
