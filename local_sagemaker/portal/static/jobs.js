/* Says that there is new work. What somebody is just reading does not move by itself. */

import { look, takeWord } from "./post.js";

const SECONDS = 10;
const word = takeWord();
if (word) {
  const place = document.getElementById("flash");
  place.textContent = word;
  place.hidden = false;
}
if (location.hash) history.replaceState(null, "", location.pathname);

const shown = Number(document.getElementById("jobs").dataset.total);
const more = document.getElementById("more");

async function check() {
  const state = await look().catch(() => null);
  if (!state) return;
  if (!state.worker) return location.reload();
  const total = state.jobs.reduce((sum, job) => sum + job.available, 0);
  if (shown === 0 && total > 0) return location.reload();
  more.firstElementChild.textContent =
    total > shown ? `There are ${total - shown} more tasks.` : "";
  more.hidden = total <= shown;
}

setInterval(() => document.hidden || check(), SECONDS * 1000);
document.addEventListener("visibilitychange", () => document.hidden || check());
